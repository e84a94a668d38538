// Functions that are no formulas of the coordinates: sums of others, and noise.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "grids/support/counter_random.hpp"
#include "problems/function.hpp"

namespace wasserflow {

namespace {

class Sum final : public Function {
 public:
  explicit Sum(std::vector<FunctionPtr> terms) : terms_(std::move(terms)) {}
  bool depends_on_time() const override {
    return std::any_of(terms_.begin(), terms_.end(), [](const FunctionPtr& f) { return f->depends_on_time(); });
  }
  bool on_nodes() const override {
    return std::any_of(terms_.begin(), terms_.end(), [](const FunctionPtr& f) { return f->on_nodes(); });
  }
  void bind(const SlabLayout& layout) override {
    for (const FunctionPtr& f : terms_) f->bind(layout);
  }
  void evaluate(const RowPoints& p, double* out) const override {
    constexpr int chunk = 512;
    std::array<double, chunk> term;
    for (int first = 0; first < p.n; first += chunk) {
      RowPoints part = p;
      part.n = std::min(chunk, p.n - first);
      part.x = p.x + first;
      part.offset = p.offset + first;
      terms_[0]->evaluate(part, out + first);
      for (std::size_t k = 1; k < terms_.size(); ++k) {
        terms_[k]->evaluate(part, term.data());
        for (int i = 0; i < part.n; ++i) out[first + i] += term[static_cast<std::size_t>(i)];
      }
    }
  }
  std::string text() const override {
    std::string all;
    for (const FunctionPtr& f : terms_) {
      if (f->text().empty()) return "";
      all += (all.empty() ? "" : ", ") + f->text();
    }
    return "{ type = \"sum\", terms = [" + all + "] }";
  }

 private:
  std::vector<FunctionPtr> terms_;
};

class Noise final : public Function {
 public:
  Noise(double amplitude, double mean, std::uint64_t seed) : amplitude_(amplitude), mean_(mean), seed_(seed) {}
  bool depends_on_time() const override { return false; }
  void evaluate(const RowPoints& p, double* out) const override {
    for (int i = 0; i < p.n; ++i) out[i] = mean_ + amplitude_ * (2 * uniform(p.x[i], p.y, p.z) - 1);
  }
  std::string text() const override { return fmt::format("{{ type = \"noise\", amplitude = {}, mean = {}, seed = {} }}", amplitude_, mean_, seed_); }

 private:
  /// In (0, 1): Philox of the bits of x and y, whose result is the key for those of z.
  double uniform(double x, double y, double z) const {
    const auto bits = [](double v) { return std::bit_cast<std::uint64_t>(v + 0.0); };  // -0 is 0
    const auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
    const auto high = [](std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); };
    const std::uint64_t bx = bits(x), by = bits(y);
    const auto first = philox4x32({low(bx), high(bx), low(by), high(by)}, {low(seed_), high(seed_)});
    const std::uint64_t key = (std::uint64_t{first[3]} << 32) | first[2], sample = (std::uint64_t{first[1]} << 32) | first[0];
    const std::uint64_t bz = bits(z);
    return uniform_pair(key, sample, low(bz), high(bz))[0];
  }
  double amplitude_, mean_;
  std::uint64_t seed_;
};

}  // namespace

FunctionPtr make_sum(std::vector<FunctionPtr> terms) {
  if (terms.empty()) return make_constant(0);
  return terms.size() == 1 ? terms.front() : std::make_shared<Sum>(std::move(terms));
}

FunctionPtr make_noise(double amplitude, double mean, std::uint64_t seed) {
  return amplitude == 0 ? make_constant(mean) : std::make_shared<Noise>(amplitude, mean, seed);
}

}  // namespace wasserflow
