// Of a layer on standard input (outputs, inputs, its row starts, columns and codes): how many steps and stragglers the
// window has that KERNEL, a source of native/kernels, lays out, and its bytes. Built and run by arm64.py.
#include KERNEL

#include <cstdio>
#include <cstdlib>

namespace {

template <class T>
std::vector<T> read(std::size_t count) {
  std::vector<T> values(count);
  if (std::fread(values.data(), sizeof(T), count, stdin) != count) std::exit(1);
  return values;
}

}  // namespace

int main() {
  using namespace eie::kernels;
  const auto size = read<std::int64_t>(2);
  const auto starts = read<std::int64_t>(size[0] + 1);
  const auto columns = read<std::uint32_t>(starts.back());
  const auto codes = read<std::uint8_t>(starts.back());
  const Rows rows{static_cast<std::size_t>(size[0]),
                  static_cast<std::size_t>(size[1]),
                  starts.data(),
                  columns.data(),
                  codes.data(),
                  4};
  const Window<LAYOUT> window(rows, std::vector<float>(16, 1));
  std::size_t bytes = 0;
  for (const Tile& tile : window.tiles) bytes += window.bytes(tile);
  constexpr Geometry geometry = LAYOUT::geometry;
  std::printf("%zu %zu %zu %zu\n", window.first.size(), geometry.rows * geometry.slots, window.stragglers.size(),
              bytes);
}
