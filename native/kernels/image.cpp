#include "kernels/image.hpp"

#include <stdexcept>
#include <string>

namespace eie::kernels {
namespace {

constexpr std::size_t largest_image = std::size_t{1} << 24, largest_window = 1024;

// Copies `count` numbers in blocks, up to a block more than that where there is room for it: a row has few numbers.
template <class T>
void copy(const T* from, const T* from_end, std::size_t count, T* to, const T* to_end) {
  constexpr std::size_t block = 64 / sizeof(T);
  const std::size_t whole = (count + block - 1) / block * block;
  if (static_cast<std::size_t>(from_end - from) < whole || static_cast<std::size_t>(to_end - to) < whole) {
    std::copy(from, from + count, to);
    return;
  }
  for (std::size_t k = 0; k < count; k += block) std::memcpy(to + k, from + k, sizeof(T) * block);
}

}  // namespace

void Side::check() const {
  const bool in_range = size >= 1 && size <= largest_image && kernel >= 1 && kernel <= largest_window && stride >= 1 &&
                        stride <= largest_window && padding <= largest_window && dilation >= 1 &&
                        dilation <= largest_window;
  if (!in_range || size + 2 * padding < dilation * (kernel - 1) + 1)
    throw std::invalid_argument("a window of " + std::to_string(kernel) + " pixels, stride " + std::to_string(stride) +
                                ", padding " + std::to_string(padding) + " and dilation " + std::to_string(dilation) +
                                " does not fit " + std::to_string(size) + " pixels");
}

void Sliding::check() const {
  down.check();
  across.check();
  if (channels < 1 || channels > largest_image || down.size * across.size > largest_image || inputs() > largest_image)
    throw std::invalid_argument("an image must have 1 to " + std::to_string(largest_image) + " values");
}

PaddedImage::Phases::Phases(const Side& side) {
  std::size_t reach = 0;
  std::vector<bool> read(side.stride);
  for (std::size_t k = 0; k < side.kernel; ++k) {
    read[k * side.dilation % side.stride] = true;
    reach = std::max(reach, k * side.dilation / side.stride);
  }
  length = side.places() + reach;
  for (std::size_t phase = 0; phase < side.stride; ++phase) {
    if (!read[phase]) continue;
    // Number q of the phase is pixel q * stride + phase - padding.
    const std::size_t first = phase >= side.padding ? 0 : (side.padding - phase + side.stride - 1) / side.stride;
    const std::size_t from = first * side.stride + phase - side.padding;
    const std::size_t there = from < side.size ? (side.size - from + side.stride - 1) / side.stride : 0;
    const std::size_t room = first < length ? length - first : 0;
    used.push_back({phase, std::min(first, length), std::min(there, room), there == 0 ? 0 : from});
  }
}

std::size_t PaddedImage::Phases::index(std::size_t phase) const {
  std::size_t k = 0;
  while (used[k].phase != phase) ++k;
  return k;
}

PaddedImage::PaddedImage(const Sliding& sliding, std::size_t spare, std::size_t most)
    : sliding_(sliding), down_(sliding.down), across_(sliding.across), spare_(spare) {
  std::size_t shared = across_.length - 1;  // numbers of a row's end that are the next one's beginning, all zero
  for (const Phase& phase : across_.used)
    shared = std::min({shared, phase.first, across_.length - phase.first - phase.count});
  pitch_ = across_.length - shared;
  plane_ = (down_.length - 1) * pitch_ + across_.length;
  constexpr std::size_t line = 64;
  stride_ = (plane_ * down_.used.size() * across_.used.size() + line - 1) / line * line;
  if (stride_ > most / sliding.channels || size() > most)
    throw std::invalid_argument("its padded image would have " + std::to_string(sliding.channels) + " x " +
                                std::to_string(stride_) + " numbers, more than the limit of " + std::to_string(most));
}

std::size_t PaddedImage::offset(std::size_t channel, std::size_t y, std::size_t x) const {
  const Side &down = sliding_.down, &across = sliding_.across;
  const std::size_t phase = down_.index(y * down.dilation % down.stride) * across_.used.size() +
                            across_.index(x * across.dilation % across.stride);
  return channel * stride_ + phase * plane_ + y * down.dilation / down.stride * pitch_ +
         x * across.dilation / across.stride;
}

template <class T>
void PaddedImage::fill(const T* image, T zero, T* padded) const {
  const std::size_t height = sliding_.down.size, width = sliding_.across.size, stride = sliding_.across.stride;
  const T *image_end = image + sliding_.inputs(), *end = padded + size();
  T* to = padded;
  for (std::size_t channel = 0; channel < sliding_.channels; ++channel) {
    const T* from = image + channel * height * width;
    to = padded + channel * stride_;
    for (const Phase& y : down_.used)
      for (const Phase& x : across_.used) {
        const auto zeros = [&](std::size_t count) {
          std::fill(to, to + count, zero);
          to += count;
        };
        zeros(y.first * pitch_);
        for (std::size_t row = 0; row < y.count; ++row) {
          const T* pixels = from + (y.from + row * sliding_.down.stride) * width + x.from;
          for (std::size_t k = 0; k < x.first; ++k) to[k] = zero;
          to += x.first;
          if (stride == 1)
            copy(pixels, image_end, x.count, to, end);
          else
            for (std::size_t k = 0; k < x.count; ++k) to[k] = pixels[k * stride];
          to += x.count;
          for (std::size_t k = x.first + x.count; k < pitch_; ++k) *to++ = zero;
        }
        // The rows below, and the end of the last one.
        zeros((down_.length - y.first - y.count) * pitch_ + across_.length - pitch_);
      }
    std::fill(to, padded + (channel + 1) * stride_, zero);
    to = padded + (channel + 1) * stride_;
  }
  std::fill(to, padded + size(), zero);
}

template void PaddedImage::fill(const float*, float, float*) const;
template void PaddedImage::fill(const std::int16_t*, std::int16_t, std::int16_t*) const;
template void PaddedImage::fill(const std::uint8_t*, std::uint8_t, std::uint8_t*) const;

}  // namespace eie::kernels
