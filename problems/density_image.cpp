#include <fmt/format.h>
#include <png.h>

#include <array>
#include <cmath>
#include <fstream>
#include <limits>

#include "problems/bound_values.hpp"
#include "problems/density_sources.hpp"

namespace wasserflow {

namespace {

struct Picture {
  std::size_t columns = 0, rows = 0;
  std::vector<double> grey;  ///< 0 to 1, rows from the top
};

constexpr std::size_t most_pixels = std::size_t{1} << 28;

Picture read_png(const ImageFile& source) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  const auto fail = [&] {
    const std::string reason = image.message;
    png_image_free(&image);
    throw InputError(source.file + " is not a PNG image that can be read: " + reason, source.where);
  };
  if (!png_image_begin_read_from_file(&image, source.file.c_str())) fail();
  image.format = PNG_FORMAT_GRAY;
  image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;  // no change of brightness on the way from 16 to 8 bits
  const Picture size{image.width, image.height, {}};
  if (size.columns * size.rows > most_pixels) {
    png_image_free(&image);
    throw InputError(source.file + " has too many pixels", source.where);
  }
  std::vector<png_byte> bytes(PNG_IMAGE_SIZE(image));
  const png_byte nothing = source.invert ? 255 : 0;  // what is transparent has no mass
  const png_color background{nothing, nothing, nothing};
  if (!png_image_finish_read(&image, &background, bytes.data(), 0, nullptr)) fail();
  Picture picture = size;
  picture.grey.assign(bytes.begin(), bytes.end());
  for (double& g : picture.grey) g /= 255;
  return picture;
}

/// Netpbm's grey format: "P2" (text) or "P5" (bytes, two of them, high one first, when the scale exceeds 255).
Picture read_pgm(std::istream& in, const ImageFile& source) {
  const auto fail = [&](const std::string& why) { throw InputError(source.file + " is not a PGM image that can be read: " + why, source.where); };
  std::string magic(2, ' ');
  in.read(magic.data(), 2);
  const auto number = [&] {
    while ((in >> std::ws) && in.peek() == '#') in.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    long value = -1;
    in >> value;
    if (!in || value < 0) fail("a number is missing");
    return value;
  };
  Picture picture;
  picture.columns = static_cast<std::size_t>(number());
  picture.rows = static_cast<std::size_t>(number());
  const long scale = number();
  if (scale < 1 || scale > 65535 || picture.columns == 0 || picture.rows == 0) fail("wrong header");
  if (picture.columns > most_pixels / picture.rows) fail("too many pixels");
  picture.grey.resize(picture.columns * picture.rows);
  if (magic == "P5") {
    in.get();  // the one blank behind the header
    const std::size_t width = scale > 255 ? 2 : 1;
    std::vector<char> bytes(picture.grey.size() * width);
    in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!in) fail("it ends early");
    for (std::size_t i = 0; i < picture.grey.size(); ++i) {
      int value = 0;
      for (std::size_t b = 0; b < width; ++b) value = value * 256 + static_cast<unsigned char>(bytes[i * width + b]);
      picture.grey[i] = value;
    }
  } else {
    for (double& g : picture.grey) g = static_cast<double>(number());
  }
  for (double& g : picture.grey) {
    if (g > static_cast<double>(scale)) fail("a value exceeds the scale");
    g /= static_cast<double>(scale);
  }
  return picture;
}

Picture read_picture(const ImageFile& source) {
  std::ifstream in(source.file, std::ios::binary);
  if (!in) throw InputError("there is no image " + source.file + " that can be read", source.where);
  std::array<char, 8> start{};
  in.read(start.data(), start.size());
  if (in.gcount() >= 4 && start[1] == 'P' && start[2] == 'N' && start[3] == 'G') return read_png(source);
  if (start[0] == 'P' && (start[1] == '2' || start[1] == '5')) {
    in.clear();
    in.seekg(0);
    return read_pgm(in, source);
  }
  throw InputError(source.file + " is neither a PNG nor a grey PGM image", source.where);
}

/// Pixels that a cell overlaps along an axis, and which share of the cell each one covers.
struct Overlap {
  std::size_t first = 0;
  std::vector<double> shares;
};

/// Of cell i with pixels of a row (or column) between lower and upper, counted upwards.
Overlap overlap(const Axis& axis, int i, double lower, double upper, std::size_t pixels) {
  const double h = axis.spacing(), n = static_cast<double>(pixels);
  const auto place = [&](double c) { return (axis.lower + (i + axis.offset + c) * h - lower) / (upper - lower) * n; };
  const double from = place(-0.5), until = place(0.5), length = until - from;
  Overlap o;
  const double inside_from = std::clamp(from, 0.0, n), inside_until = std::clamp(until, 0.0, n);
  o.first = std::min(static_cast<std::size_t>(inside_from), pixels - 1);
  for (std::size_t k = o.first; k < pixels && static_cast<double>(k) < inside_until; ++k) {
    const double left = static_cast<double>(k);
    o.shares.push_back(std::max(0.0, std::min(inside_until, left + 1) - std::max(inside_from, left)) / length);
  }
  return o;
}

class Image final : public BoundValues {
 public:
  explicit Image(ImageFile source) : source_(std::move(source)) {}
  void bind(const SlabLayout& layout) override {
    check_all(layout.comm(), [&] { resample(layout); });
  }

 private:
  void resample(const SlabLayout& layout) {
    const Grid& grid = layout.grid();
    if (grid.dim() != 2) throw InputError("an image makes a density in the plane only", source_.where);
    Picture picture = read_picture(source_);
    if (source_.invert)
      for (double& g : picture.grey) g = 1 - g;
    const auto corner = [&](const std::vector<double>& given, std::size_t d, double of_grid) { return given.empty() ? of_grid : given[d]; };
    const Axis &ax = grid.axis(0), &ay = grid.axis(1);
    std::vector<Overlap> columns;
    for (int i = 0; i < ax.cells; ++i)
      columns.push_back(overlap(ax, i, corner(source_.lower, 0, ax.lower), corner(source_.upper, 0, ax.upper), picture.columns));
    values_.assign(static_cast<std::size_t>(layout.owned()), 0.0);
    for (int j = 0; j < layout.count(); ++j) {
      const Overlap rows = overlap(ay, layout.first() + j, corner(source_.lower, 1, ay.lower), corner(source_.upper, 1, ay.upper), picture.rows);
      for (int i = 0; i < ax.cells; ++i) {
        const Overlap& cols = columns[static_cast<std::size_t>(i)];
        double sum = 0;
        for (std::size_t r = 0; r < rows.shares.size(); ++r) {
          const double* line = picture.grey.data() + (picture.rows - 1 - (rows.first + r)) * picture.columns + cols.first;
          double part = 0;
          for (std::size_t c = 0; c < cols.shares.size(); ++c) part += cols.shares[c] * line[c];
          sum += rows.shares[r] * part;
        }
        values_[static_cast<std::size_t>(j) * static_cast<std::size_t>(ax.cells) + static_cast<std::size_t>(i)] = sum;
      }
    }
  }

  ImageFile source_;
};

}  // namespace

FunctionPtr make_image(ImageFile source) { return std::make_shared<Image>(std::move(source)); }

}  // namespace wasserflow
