#include "tools/hsmbridge/text/pages.h"

#include <array>
#include <utility>

namespace hsmbridge::cli {
namespace {

constexpr auto kFiles = std::to_array<std::pair<std::string_view, std::string_view>>({
#include "tools/hsmbridge/text/pages.inc"
});

commandline::Topic page_of(std::string_view topic, std::string_view text) {
  const std::size_t begin = text.find(": ") + 2;
  return {topic, text.substr(begin, text.find('\n') - begin), text};
}

}  // namespace

const std::vector<commandline::Topic>& pages() {
  static const std::vector<commandline::Topic> all = [] {
    std::vector<commandline::Topic> made;
    for (const auto& [topic, text] : kFiles) made.push_back(page_of(topic, text));
    return made;
  }();
  return all;
}

}  // namespace hsmbridge::cli
