#include <algorithm>
#include <cctype>
#include <numeric>

#include "grids/support/parameters.hpp"

namespace wasserflow {

namespace {

/// Optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours; case alone counts nothing.
int edit_distance(const std::string& a, const std::string& b) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  std::vector<int> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  std::iota(last.begin(), last.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1])) now[j] = std::min(now[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(now);
  }
  return last[b.size()];
}

}  // namespace

std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  // A third of the letters may be wrong; of words of one or two letters, one.
  int limit = std::max<int>(1, static_cast<int>(word.size() + 2) / 3) + 1;
  for (const std::string& candidate : candidates) {
    const int distance = edit_distance(word, candidate);
    if (distance < limit && distance < static_cast<int>(std::max(word.size(), candidate.size()))) {
      limit = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace wasserflow
