#pragma once
/// What runs of apps leave behind.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/process.hpp"

namespace wasserflow::test {

inline nlohmann::json report(const std::string& directory) { return nlohmann::json::parse(read_file(directory + "/report.json")); }

/// history.csv and the files of fields are the same, bit for bit. Returns the number of the latter.
inline int check_same_files(const std::string& found, const std::string& expected) {
  BOOST_TEST((read_file(found + "/history.csv") == read_file(expected + "/history.csv")), "history.csv");
  int files = 0;
  BOOST_TEST_REQUIRE(std::filesystem::exists(expected + "/fields"));
  for (const auto& file : std::filesystem::directory_iterator(expected + "/fields")) {
    const std::string name = file.path().filename().string();
    BOOST_TEST((read_file(found + "/fields/" + name) == read_file(file.path().string())), name);
    ++files;
  }
  return files;
}

}  // namespace wasserflow::test
