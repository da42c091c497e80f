// Images as convolutions and poolings read them: the windows' places, and the padded image.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace eie::kernels {

// One direction of an image of `size` pixels, padded on both sides, and of the window that moves over it.
struct Side {
  std::size_t size, kernel, stride = 1, padding = 0, dilation = 1;

  std::size_t places() const { return (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1; }
  // Throws std::invalid_argument, one sentence, unless the window fits and no number is beyond what an image may have.
  void check() const;
};

struct Sliding {
  std::size_t channels;
  Side down, across;

  std::size_t inputs() const { return channels * down.size * across.size; }
  std::size_t places() const { return down.places() * across.places(); }
  void check() const;
};

// The padded image of a convolution. A stride of s splits each side into s phases, every s-th pixel from a first one on:
// phases that no weight reads are left out, and in the others neighbours are next to each other. The inputs that a
// weight needs for a row of outputs then lie in a row as well, and so do those of all rows, `pitch` apart: the numbers
// between two rows are computed too, and thrown away. A row's padding on the right is the next one's on the left as far
// as both reach.
class PaddedImage {
 public:
  // Throws std::invalid_argument where it would have more than `most` numbers, `spare` among them.
  PaddedImage(const Sliding& sliding, std::size_t spare, std::size_t most);

  // How far the input of the weight at (y, x) of a channel is from an output's place.
  std::size_t offset(std::size_t channel, std::size_t y, std::size_t x) const;
  std::size_t pitch() const { return pitch_; }
  // From the first place to the last.
  std::size_t places() const { return (sliding_.down.places() - 1) * pitch_ + sliding_.across.places(); }
  std::size_t size() const { return sliding_.channels * stride_ + spare_; }

  // Writes all of size() numbers: those of `image`, (channels, height, width), and `zero` around them.
  template <class T>
  void fill(const T* image, T zero, T* padded) const;

 private:
  // Where the image's pixels lie in the row, or column, of a phase: `count` of them from `first` on; pixel 0 is `from`.
  struct Phase {
    std::size_t phase, first, count, from;
  };
  struct Phases {
    std::vector<Phase> used;
    std::size_t length;  // of a row, or column: those of all places and as far as the last weight reaches
    explicit Phases(const Side& side);
    std::size_t index(std::size_t phase) const;
  };

  Sliding sliding_;
  Phases down_, across_;
  std::size_t pitch_, plane_, stride_, spare_;  // plane: numbers of a phase; stride: of a channel
};

}  // namespace eie::kernels
