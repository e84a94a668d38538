#pragma once
/// Random numbers without state: a function of a key and a counter, so that a sample's noise does not depend on the rank that computes it nor on
/// the order of the samples.
#include <array>
#include <cmath>
#include <cstdint>

namespace wasserflow {

/// Philox4x32 with 10 rounds: 128 random bits for each (key, counter).
/// Source: Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011.
constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0], b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

/// Uniform numbers in (0, 1), 53 bits each, for step `step` of sample `sample`; `lane` gives further pairs.
constexpr std::array<double, 2> uniform_pair(std::uint64_t seed, std::uint64_t sample, std::uint32_t step, std::uint32_t lane = 0) {
  const auto bits = philox4x32({static_cast<std::uint32_t>(sample), static_cast<std::uint32_t>(sample >> 32), step, lane},
                               {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  const auto unit = [](std::uint32_t high, std::uint32_t low) {
    return (static_cast<double>(((std::uint64_t{high} << 32) | low) >> 11) + 0.5) * 0x1p-53;
  };
  return {unit(bits[0], bits[1]), unit(bits[2], bits[3])};
}

/// Two independent standard normal numbers (Box and Muller).
inline std::array<double, 2> normal_pair(std::uint64_t seed, std::uint64_t sample, std::uint32_t step, std::uint32_t lane = 0) {
  const auto [u, v] = uniform_pair(seed, sample, step, lane);
  const double radius = std::sqrt(-2 * std::log(u)), angle = 6.283185307179586476925 * v;
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

}  // namespace wasserflow
