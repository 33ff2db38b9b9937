#pragma once

#include "base/bytes.h"
#include "config/document.h"

#include <set>
#include <string>
#include <vector>

// What stands between yaml-cpp (yaml_reader.cpp) and the readers (document.cpp). Private to this folder.
namespace hsmbridge::config {

// One value of the file.
struct Section::Node {
  struct Entry;

  Shape shape = Shape::nothing;
  Place place;
  std::string text;            // Shape::text
  bool quoted = false;         // "4" is a text, 4 may be a number
  std::vector<Node> items;     // Shape::list
  std::vector<Entry> entries;  // Shape::mapping

  // Which keys a reader has asked for. Mutable because asking is reading.
  mutable std::set<std::string, std::less<>> asked;

  const Entry* find(std::string_view key) const;
};

struct Section::Node::Entry {
  std::string key;
  Place place;  // of the key
  Node value;
};

struct Document::State {
  struct Problem {
    Place place;
    std::string what;
  };

  std::string name;
  std::filesystem::path folder;
  Bytes sha256;  // of the text
  bool is_read_once = false;
  Section::Node root;
  std::vector<Problem> problems;
  bool finished = false;

  void add(Place place, std::string what) { problems.push_back({place, std::move(what)}); }
  // Throws them all, sorted, and forgets them; does nothing when there is none.
  void raise();
};

// Reads the text into state.root; what YAML allows and we do not becomes a problem. A text that is no YAML ends the
// reading: then root is empty.
void read_yaml(std::string_view text, Document::State& state);

}  // namespace hsmbridge::config
