#pragma once

#include "x509/content/content.h"

#include <string>
#include <string_view>
#include <vector>

// When two names are the same one (RFC 5280 §7).
namespace hsmbridge::x509 {

// Equal for equal names: DNS names and the hosts of mail addresses and URIs whatever their letter case (§7.2, §7.4,
// §7.5), directory names as `likeness` compares them (§7.1), everything else as bytes. Never for people.
std::string comparison_key(const GeneralName& name);

// How alike the subject that came is to the one that was asked for: the first row that fits.
enum class Likeness {
  same_bytes,
  other_string_types,  // the same text
  other_spelling,      // letter case, blanks, A-labels for U-labels
  other_order,         // the same attributes, differently ordered or grouped
  different,
};
Likeness likeness(const Name& asked, const Name& found);
// Whether they are one name where chains are built (RFC 5280 §7.1).
inline bool same_name(const Name& one, const Name& other) {
  return likeness(one, other) <= Likeness::other_spelling;
}

// The common name as it is compared: of a host name the A-labels in lower case, else the text as §7.1 folds it.
std::string folded_common_name(std::string_view text);

// Alternative names that say what a subject's common names and mail addresses say: a CA that adds one of them adds
// nothing. Kinds: DNS, IP, e-mail.
std::vector<GeneralName> names_in_subject(const Name& subject);

}  // namespace hsmbridge::x509
