#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

// The vector functions of glibc's libmvec (error below 4 units in the last place), which gcc otherwise uses under -ffast-math only. Its AVX2 and
// AVX-512 variants are chosen by the vector width of the loop.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#if __GLIBC_PREREQ(2, 35)
extern "C" {
__attribute__((simd("notinbranch"))) double sin(double) noexcept;
__attribute__((simd("notinbranch"))) double cos(double) noexcept;
__attribute__((simd("notinbranch"))) double tan(double) noexcept;
__attribute__((simd("notinbranch"))) double asin(double) noexcept;
__attribute__((simd("notinbranch"))) double acos(double) noexcept;
__attribute__((simd("notinbranch"))) double atan(double) noexcept;
__attribute__((simd("notinbranch"))) double sinh(double) noexcept;
__attribute__((simd("notinbranch"))) double cosh(double) noexcept;
__attribute__((simd("notinbranch"))) double tanh(double) noexcept;
__attribute__((simd("notinbranch"))) double exp(double) noexcept;
__attribute__((simd("notinbranch"))) double log(double) noexcept;
__attribute__((simd("notinbranch"))) double pow(double, double) noexcept;
__attribute__((simd("notinbranch"))) double atan2(double, double) noexcept;
}
#endif
#endif

#include "problems/formula_node.hpp"

namespace wasserflow {

Program::Program(std::span<const Formula> outputs, std::span<const std::string> inputs) : inputs_(static_cast<int>(inputs.size())) {
  const std::vector<Formula> expanded = expand_powers(outputs);
  const std::vector<NodePtr> order = reachable(expanded);

  std::map<NodePtr, int> slot;
  for (const NodePtr n : order) {
    if (n->op == Op::Variable) {
      const auto found = std::find(inputs.begin(), inputs.end(), n->name);
      if (found == inputs.end()) throw InternalError("a formula depends on '" + n->name + "', which is not an input of its program");
      slot[n] = static_cast<int>(found - inputs.begin());
    } else if (n->is_constant()) {
      slot[n] = inputs_ + static_cast<int>(constants_.size());
      constants_.push_back(n->value);
    }
  }
  const int first = inputs_ + static_cast<int>(constants_.size());
  for (const NodePtr n : order) {
    if (n->arity() == 0) continue;
    Instruction code{static_cast<int>(n->op), first + static_cast<int>(code_.size()), {-1, -1, -1}, -1, -1};
    for (int i = 0; i < n->arity(); ++i) code.arg[i] = slot[n->arg[static_cast<std::size_t>(i)]];
    slot[n] = code.target;
    code_.push_back(code);
  }
  for (const Formula& f : expanded) {
    outputs_.push_back(slot[f.node()]);
    const bool computed = outputs_.back() >= first;
    Instruction* code = computed ? &code_[static_cast<std::size_t>(outputs_.back() - first)] : nullptr;
    direct_.push_back(computed && code->output < 0);
    if (direct_.back()) code->output = static_cast<int>(outputs_.size()) - 1;
  }

  // Chunk buffers: one is free again behind the last use of its result; that use may write into it.
  std::vector<int> last_use(static_cast<std::size_t>(first) + code_.size(), -1);
  for (std::size_t k = 0; k < code_.size(); ++k)
    for (const int a : code_[k].arg)
      if (a >= 0) last_use[static_cast<std::size_t>(a)] = static_cast<int>(k);
  std::vector<int> free;
  for (std::size_t k = 0; k < code_.size(); ++k) {
    Instruction& code = code_[k];
    for (int i = 0; i < 3; ++i) {
      const int a = code.arg[i];
      const bool repeated = (i > 0 && a == code.arg[0]) || (i > 1 && a == code.arg[1]);
      if (a < first || repeated || last_use[static_cast<std::size_t>(a)] != static_cast<int>(k)) continue;
      const int r = code_[static_cast<std::size_t>(a - first)].registr;
      if (r >= 0) free.push_back(r);
    }
    if (code.output >= 0) continue;
    if (free.empty()) free.push_back(registers_++);
    code.registr = free.back();
    free.pop_back();
  }
}

namespace {

struct Operand {
  const double* values;
  bool single;  ///< one number for all points
};

/// Calls g with a function i -> value at point i, so that the loop in g knows at compile time which operands stand still.
template <class G>
inline void load(const Operand& a, G&& g) {
  if (a.single) {
    const double value = *a.values;
    g([value](int) { return value; });
  } else {
    const double* const values = a.values;
    g([values](int i) { return values[i]; });
  }
}

/// out[i] = f(i); the result may overwrite an operand at the same place.
template <class F>
inline void sweep(int n, double* out, F f) {
#pragma GCC ivdep
  for (int i = 0; i < n; ++i) out[i] = f(i);
}

constexpr int width = 8;

/// A block of values of a function of the mathematical library. Vector and scalar functions differ in the last bit: one piece of code for all
/// blocks, the padded end of a row included, makes a value independent of its place in the row.
template <class F>
[[gnu::noinline]] void library_block(F f, const double* a, const double* b, double* out) {
  double block[width];
  if constexpr (std::is_invocable_v<F, double>) {
#pragma GCC ivdep
    for (int j = 0; j < width; ++j) block[j] = f(a[j]);
  } else {
#pragma GCC ivdep
    for (int j = 0; j < width; ++j) block[j] = f(a[j], b[j]);
  }
  std::copy_n(block, width, out);
}

template <class F>
void library_sweep(F f, int n, const Operand* arg, double* out) {
  constexpr int arguments = std::is_invocable_v<F, double> ? 1 : 2;
  double repeated[2][width], padded[2][width], end[width];
  const double* at[2] = {nullptr, nullptr};
  for (int k = 0; k < arguments; ++k) {
    if (arg[k].single) std::fill_n(repeated[k], width, *arg[k].values);
    at[k] = arg[k].single ? repeated[k] : arg[k].values;
  }
  int i = 0;
  for (; i + width <= n; i += width) {
    library_block(f, at[0], at[1], out + i);
    for (int k = 0; k < arguments; ++k)
      if (!arg[k].single) at[k] += width;
  }
  if (i == n) return;
  for (int k = 0; k < arguments; ++k) {
    if (arg[k].single) continue;
    std::fill_n(padded[k], width, *at[k]);
    std::copy_n(at[k], n - i, padded[k]);
    at[k] = padded[k];
  }
  library_block(f, at[0], at[1], end);
  std::copy_n(end, n - i, out + i);
}

void run(Op op, int n, const Operand* arg, double* out) {
  visit_operation(op, [&](auto f, auto library) {
    if constexpr (library) {
      library_sweep(f, n, arg, out);
    } else if constexpr (std::is_invocable_v<decltype(f), double>) {
      const double* const a = arg[0].values;  // an instruction with a number for its only argument is not swept
      sweep(n, out, [a, f](int i) { return f(a[i]); });
    } else if constexpr (std::is_invocable_v<decltype(f), double, double>) {
      load(arg[0], [&](auto a) { load(arg[1], [&](auto b) { sweep(n, out, [a, b, f](int i) { return f(a(i), b(i)); }); }); });
    } else {
      load(arg[0], [&](auto a) {
        load(arg[1], [&](auto b) { load(arg[2], [&](auto c) { sweep(n, out, [a, b, c, f](int i) { return f(a(i), b(i), c(i)); }); }); });
      });
    }
  });
}

/// Working memory of a thread, shared by all programs.
struct Scratch {
  std::vector<double> buffers;
  std::vector<double> values;     ///< of slots that are numbers
  std::vector<char> single;       ///< slot is a number
  std::vector<const double*> at;  ///< of slots that are arrays: values of the current chunk
  template <class V>
  static auto* grown(V& v, std::size_t n) {
    if (v.size() < n) v.resize(n);
    return v.data();
  }
  /// n doubles of `buffers` from the start of a cache line: vectors that straddle two lines take twice the time.
  double* aligned(std::size_t n) {
    constexpr std::size_t line = 64;
    std::size_t room = (n + line / sizeof(double)) * sizeof(double);
    void* first = grown(buffers, n + line / sizeof(double));
    return static_cast<double*>(std::align(line, n * sizeof(double), first, room));
  }
};

}  // namespace

void Program::evaluate(int n, std::span<const Argument> inputs, double* const* outputs) const {
  if (n <= 0 || outputs_.empty()) return;
  if (static_cast<int>(inputs.size()) != inputs_)
    throw InternalError("a program of " + std::to_string(inputs_) + " inputs was given " + std::to_string(inputs.size()));
  thread_local Scratch scratch;
  const std::size_t first = static_cast<std::size_t>(inputs_) + constants_.size(), slots = first + code_.size();
  double* const buffers = scratch.aligned(static_cast<std::size_t>(registers_) * chunk);
  double* const values = Scratch::grown(scratch.values, slots);
  char* const single = Scratch::grown(scratch.single, slots);
  const double** const at = Scratch::grown(scratch.at, slots);

  for (std::size_t s = 0; s < inputs.size(); ++s) {
    single[s] = inputs[s].values == nullptr;
    values[s] = inputs[s].value;
  }
  std::copy(constants_.begin(), constants_.end(), values + inputs_);
  std::fill(single + inputs_, single + first, 1);
  for (const Instruction& code : code_) {
    const auto is_single = [&](int a) { return a < 0 || single[a]; };
    single[code.target] = is_single(code.arg[0]) && is_single(code.arg[1]) && is_single(code.arg[2]);
    const auto value = [&](int a) { return a < 0 ? 0 : values[a]; };
    if (single[code.target]) values[code.target] = apply(static_cast<Op>(code.op), value(code.arg[0]), value(code.arg[1]), value(code.arg[2]));
  }

  for (int begin = 0; begin < n; begin += chunk) {
    const int count = std::min(chunk, n - begin);
    for (int s = 0; s < inputs_; ++s) at[s] = inputs[static_cast<std::size_t>(s)].values + (single[s] ? 0 : begin);
    for (const Instruction& code : code_) {
      if (single[code.target]) continue;
      double* const out = code.output >= 0 ? outputs[code.output] + begin : buffers + static_cast<std::ptrdiff_t>(code.registr) * chunk;
      Operand operand[3];
      for (int i = 0; i < 3 && code.arg[i] >= 0; ++i)
        operand[i] = {single[code.arg[i]] ? values + code.arg[i] : at[code.arg[i]], single[code.arg[i]] != 0};
      run(static_cast<Op>(code.op), count, operand, out);
      at[code.target] = out;
    }
    for (std::size_t k = 0; k < outputs_.size(); ++k) {
      const int s = outputs_[k];
      if (single[s])
        std::fill_n(outputs[k] + begin, count, values[s]);
      else if (!direct_[k])
        std::copy_n(at[s], count, outputs[k] + begin);
    }
  }
}

}  // namespace wasserflow
