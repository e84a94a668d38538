#pragma once
/// Rows of fields are short and many are read at once: hardware foresees too little of what the next row needs.
#include <algorithm>

namespace wasserflow {

/// Asks for n doubles (the first 256 of them), which may lie behind the end of an array.
inline void prefetch_row(const double* p, int n) {
  for (int i = 0; i < std::min(n, 256); i += 8) __builtin_prefetch(p + i, 0, 2);
}

}  // namespace wasserflow
