#pragma once

#include <string_view>
#include <vector>

namespace hsmbridge::cli {

// One page of reference that `hsmbridge help TOPIC` prints: a file of pages/, Markdown of at most 80 columns outside its
// examples, built into the program.
struct Page {
  std::string_view topic;    // the file's name: "configuration"
  std::string_view summary;  // of its first line, "# TOPIC: SUMMARY"
  std::string_view text;     // the whole file
};
// In the order of their names.
const std::vector<Page>& pages();

}  // namespace hsmbridge::cli
