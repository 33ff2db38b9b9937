// The machine as a picture. Each edge is a pair of states; the events that lead along it are its label.
#include "base/text.h"
#include "workflow/machine/rules.h"

#include <fmt/core.h>

#include <string>
#include <utility>
#include <vector>

namespace hsmbridge::workflow {
namespace {

struct Edge {
  StateName from;
  StateName to;
  std::vector<std::string_view> events;
};

std::vector<Edge> edges() {
  std::vector<Edge> all;
  for (const Rule& rule : rules()) {
    for (std::size_t i = 0; i < kStateCount; ++i) {
      const auto target = static_cast<StateName>(i);
      // A state that stays itself is what waiting looks like; drawing it would hide the picture.
      if ((rule.to & bit(target)) == 0 || target == rule.from) continue;
      Edge* edge = nullptr;
      for (Edge& known : all) {
        if (known.from == rule.from && known.to == target) edge = &known;
      }
      if (edge == nullptr) edge = &all.emplace_back(Edge{rule.from, target, {}});
      edge->events.push_back(to_string(rule.event));
    }
  }
  return all;
}

}  // namespace

std::string mermaid() {
  std::string text = "stateDiagram-v2\n    [*] --> Preparing: Created\n";
  for (const Edge& edge : edges()) {
    text += fmt::format("    {} --> {}: {}\n", to_string(edge.from), to_string(edge.to), joined(edge.events, ", "));
  }
  for (std::size_t i = 0; i < kStateCount; ++i) {
    const auto name = static_cast<StateName>(i);
    if (is_final(name)) text += fmt::format("    {} --> [*]\n", to_string(name));
  }
  return text;
}

std::string graphviz() {
  std::string text =
      "digraph request {\n    rankdir=TB;\n    node [shape=box, style=rounded, fontname=\"sans-serif\"];\n"
      "    edge [fontname=\"sans-serif\", fontsize=9];\n    start [shape=point];\n"
      "    start -> Preparing [label=\"Created\"];\n";
  for (std::size_t i = 0; i < kStateCount; ++i) {
    const auto name = static_cast<StateName>(i);
    text += fmt::format("    {} [tooltip=\"waits for {}\"{}];\n", to_string(name), waits_for(name),
                        is_final(name) ? ", peripheries=2" : "");
  }
  for (const Edge& edge : edges()) {
    text += fmt::format("    {} -> {} [label=\"{}\"];\n", to_string(edge.from), to_string(edge.to),
                        joined(edge.events, "\\n"));
  }
  return text + "}\n";
}

}  // namespace hsmbridge::workflow
