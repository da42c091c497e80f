// An array of zeros aligned to a cache line; a large one to a huge page, which spares the kernels their TLB misses.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

namespace eie::kernels {

template <class T>
class Aligned {
 public:
  Aligned() = default;
  explicit Aligned(std::size_t size) : size_(size) {
    const bool large = size * sizeof(T) >= huge_page / 4;
    const std::align_val_t alignment{large ? huge_page : 64};
    const std::size_t bytes = large ? (size * sizeof(T) + huge_page - 1) / huge_page * huge_page : size * sizeof(T);
    data_ = {static_cast<T*>(::operator new(bytes, alignment)), Free{alignment}};
#if defined(MADV_HUGEPAGE)
    if (large) madvise(data(), bytes, MADV_HUGEPAGE);  // advice: without it things are only slower
#endif
    std::fill(data(), data() + size, T{});
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t huge_page = std::size_t{1} << 21;
  struct Free {
    std::align_val_t alignment{64};
    void operator()(T* p) const { ::operator delete(p, alignment); }
  };
  std::size_t size_ = 0;
  std::unique_ptr<T[], Free> data_;
};

}  // namespace eie::kernels
