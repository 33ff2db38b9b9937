#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::config {

class Section;

// A way in which a key that is there falls short of what a key of ours is made to be. What `accept:` names beside the
// findings of a certificate. One row a kind.
struct KeyFlaw {
  std::string_view name;     // "key-not-local"
  std::string_view meaning;  // after "the key": "was not made in the token"
};
std::span<const KeyFlaw> key_flaws();
bool is_key_flaw(std::string_view name);
// "was not made in the token". `name` is one of the table.
std::string_view meaning_of_flaw(std::string_view name);

// Takes the flaws out of a list of accepted names.
std::vector<std::string> take_key_flaws(std::vector<std::string>& accepted);
// The list `accept` of a place that names a key. Another name is a problem of the section.
std::vector<std::string> read_key_flaws(Section& section);

}  // namespace hsmbridge::config
