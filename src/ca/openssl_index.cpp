#include "ca/openssl_index.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/text.h"
#include "x509/asn1/der.h"
#include "x509/objects/serial.h"

#include <fmt/core.h>

#include <array>
#include <cstddef>

namespace hsmbridge::ca {
namespace {

namespace der = x509::der;

// As openssl ca writes them behind the date of a revocation. What else stands there behind another comma (an OID, a
// time) says more about the three last ones, and no CRL of this program repeats it.
struct IndexReason {
  std::string_view word;
  unsigned code;
};
constexpr auto kIndexReasons = std::to_array<IndexReason>({
    {"unspecified", 0},
    {"keyCompromise", 1},
    {"CACompromise", 2},
    {"affiliationChanged", 3},
    {"superseded", 4},
    {"cessationOfOperation", 5},
    {"certificateHold", 6},
    {"holdInstruction", 6},
    {"keyTime", 1},
    {"CAkeyTime", 2},
});

[[noreturn]] void refuse_line(const std::string& why) {
  throw Error{ErrorKind::invalid_input, why};
}

std::vector<std::string_view> cut(std::string_view text, char between) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(between);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// UTCTime or GeneralizedTime as text: "270101000000Z", "20510101000000Z".
Instant time_in(std::string_view text, std::string_view what) {
  constexpr std::size_t kUtcLength = 13;
  const Bytes element = der::element(text.size() == kUtcLength ? der::kUtcTime : der::kGeneralizedTime, as_bytes(text));
  return der::Reader(element).time(what);
}

RevokedBefore revocation_in(std::string_view text) {
  const auto parts = cut(text, ',');
  RevokedBefore revoked{time_in(parts[0], "revocation date"), 0};
  if (parts.size() == 1) return revoked;
  for (const IndexReason& row : kIndexReasons) {
    if (!equal_ignoring_case(row.word, parts[1])) continue;
    revoked.reason = row.code;
    return revoked;
  }
  refuse_line(fmt::format("'{}' is not a reason of a revocation", parts[1]));
}

IssuedBefore certificate_in(std::string_view line) {
  constexpr std::size_t kFields = 6;
  const auto fields = cut(line, '\t');
  if (fields.size() != kFields) {
    refuse_line(fmt::format("{} fields with tabs between, and there must be {}", fields.size(), kFields));
  }
  IssuedBefore issued;
  issued.not_after = time_in(fields[1], "end");
  issued.serial = x509::parse_serial(fields[3]);
  issued.subject = std::string(fields[5]);
  const std::string_view status = fields[0];
  if (status == "R") {
    issued.revoked = revocation_in(fields[2]);
  } else if (status != "V" && status != "E") {
    refuse_line(fmt::format("the status '{}' is none of V, R, E", status));
  } else if (!fields[2].empty()) {
    refuse_line(fmt::format("the status is {}, and there is a date of a revocation", status));
  }
  return issued;
}

}  // namespace

std::vector<IssuedBefore> read_openssl_index(std::string_view text, std::string_view name) {
  std::vector<IssuedBefore> all;
  std::size_t number = 0;
  for (std::string_view line : cut(text, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const std::string place = fmt::format("{}, line {}", name, number);
    all.push_back(prefixed(place, [&] { return certificate_in(line); }));
    all.back().place = place;
  }
  if (all.empty()) throw Error{ErrorKind::invalid_input, fmt::format("{} holds no certificate", name)};
  return all;
}

}  // namespace hsmbridge::ca
