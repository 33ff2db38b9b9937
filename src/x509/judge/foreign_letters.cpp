#include "x509/judge/foreign_letters.h"

#include "base/unicode.h"

#include <fmt/core.h>

#include <cstddef>
#include <string_view>

namespace hsmbridge::x509 {
namespace {

std::string foreign_in(std::string_view text) {
  std::string letters;
  for (std::size_t at = 0; at < text.size();) {
    const auto c = next_code_point(text, at);
    if (!c) break;
    if (*c >= 0x80) letters += fmt::format("{}U+{:04X}", letters.empty() ? "" : " ", static_cast<unsigned>(*c));
  }
  return letters;
}

void mark_text(std::string& marks, std::string_view what, std::string_view text) {
  const std::string letters = foreign_in(text);
  if (!letters.empty()) marks += fmt::format("{}{}: {}", marks.empty() ? "" : "; ", what, letters);
}

void mark_name(std::string& marks, std::string_view before, const Name& name) {
  for (const RelativeName& relative : name.relative_names()) {
    for (const NameAttribute& attribute : relative) {
      mark_text(marks, fmt::format("{}{}", before, attribute.type.name()), attribute.value);
    }
  }
}

}  // namespace

std::string foreign_letters(const Content& content, const Name& issuer) {
  std::string marks;
  mark_name(marks, "", content.subject);
  // Their texts hold every kind of name: a directory name, a UPN, another name's UTF8String.
  for (const GeneralName& name : content.subject_alternative_names) {
    mark_text(marks, std::string_view(name.text).substr(0, name.text.find(':')), name.text);
  }
  for (const Policy& policy : content.policies) {
    for (const UserNotice& notice : policy.user_notices) {
      mark_text(marks, "notice", notice.explicit_text);
      mark_text(marks, "notice's organization", notice.organization);
    }
  }
  if (content.name_constraints) {
    for (const auto* bases : {&content.name_constraints->permitted, &content.name_constraints->excluded}) {
      for (const GeneralName& base : *bases) mark_text(marks, "name constraint", base.text);
    }
  }
  mark_name(marks, "issuer's ", issuer);
  return marks.empty() ? "" : "NOT ASCII, in " + marks;
}

}  // namespace hsmbridge::x509
