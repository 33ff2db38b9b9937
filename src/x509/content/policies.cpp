#include "x509/content/policies.h"

#include "base/error.h"
#include "x509/asn1/unicode.h"

#include <optional>
#include <string>

namespace hsmbridge::x509 {
namespace {

constexpr const char* kCps = "1.3.6.1.5.5.7.2.1";
constexpr const char* kUserNotice = "1.3.6.1.5.5.7.2.2";

// DisplayText, any of its four string types.
std::optional<std::string> display_text(const der::Element& element) {
  std::optional<std::string> text;
  switch (element.tag) {
    case der::kUtf8String:
      text = to_text(element.content);
      break;
    case der::kVisibleString:
    case der::kIa5String:
      text = utf8_from_ascii(element.content);
      break;
    case der::kBmpString:
      text = utf8_from_utf16(element.content);
      break;
    default:
      break;
  }
  if (text && !is_utf8(*text)) return std::nullopt;
  return text;
}

Bytes encode_notice(const UserNotice& notice) {
  Bytes reference;
  if (!notice.organization.empty() || !notice.notice_numbers.empty()) {
    Bytes numbers;
    for (const std::uint64_t number : notice.notice_numbers) der::append(numbers, der::integer(number));
    reference = der::sequence(der::text(der::kUtf8String, notice.organization), der::element(der::kSequence, numbers));
  }
  return der::sequence(reference,
                       notice.explicit_text.empty() ? Bytes{} : der::text(der::kUtf8String, notice.explicit_text));
}

// Nothing when UserNotice cannot hold it. Throws invalid_input on malformed DER.
std::optional<UserNotice> decode_notice(der::Reader& qualifier) {
  der::Reader sequence = qualifier.enter(der::kSequence, "UserNotice");
  UserNotice notice;
  if (sequence.peek() == der::kSequence) {
    der::Reader reference = sequence.enter(der::kSequence, "NoticeReference");
    const auto organization = display_text(reference.any("NoticeReference organization"));
    der::Reader numbers = reference.enter(der::kSequence, "NoticeReference noticeNumbers");
    reference.expect_end("NoticeReference");
    if (!organization) return std::nullopt;
    notice.organization = *organization;
    while (!numbers.at_end()) {
      const ByteView octets = numbers.integer("NoticeReference noticeNumbers");
      if (octets.size() > 8 || octets[0] >= 0x80) return std::nullopt;
      std::uint64_t value = 0;
      for (const std::uint8_t octet : octets) value = (value << 8U) | octet;
      notice.notice_numbers.push_back(value);
    }
  }
  if (!sequence.at_end()) {
    const auto text = display_text(sequence.any("UserNotice explicitText"));
    sequence.expect_end("UserNotice");
    if (!text) return std::nullopt;
    notice.explicit_text = *text;
  }
  return notice;
}

}  // namespace

Bytes encode_policy(const Policy& policy) {
  Bytes qualifiers;
  for (const std::string& uri : policy.cps_uris) {
    der::append(qualifiers, der::sequence(der::oid(Oid(kCps)), der::text(der::kIa5String, uri)));
  }
  for (const UserNotice& notice : policy.user_notices) {
    der::append(qualifiers, der::sequence(der::oid(Oid(kUserNotice)), encode_notice(notice)));
  }
  for (const Bytes& other : policy.other_qualifiers) der::append(qualifiers, other);
  return der::sequence(der::oid(policy.oid), qualifiers.empty() ? Bytes{} : der::element(der::kSequence, qualifiers));
}

Policy decode_policy(der::Reader& reader) {
  der::Reader information = reader.enter(der::kSequence, "PolicyInformation");
  Policy policy;
  policy.oid = information.oid("policyIdentifier");
  if (!information.at_end()) {
    der::Reader qualifiers = information.enter(der::kSequence, "policyQualifiers");
    information.expect_end("PolicyInformation");
    while (!qualifiers.at_end()) {
      const der::Element whole = qualifiers.expect(der::kSequence, "PolicyQualifierInfo");
      der::Reader qualifier(whole.content);
      const Oid kind = qualifier.oid("policyQualifierId");
      if (kind.dotted() == kCps && qualifier.peek() == der::kIa5String) {
        const ByteView uri = qualifier.any("CPS URI").content;
        qualifier.expect_end("PolicyQualifierInfo");
        if (is_ascii(as_text(uri))) {
          policy.cps_uris.push_back(to_text(uri));
          continue;
        }
      } else if (kind.dotted() == kUserNotice) {
        auto notice = decode_notice(qualifier);
        qualifier.expect_end("PolicyQualifierInfo");
        if (notice) {
          policy.user_notices.push_back(std::move(*notice));
          continue;
        }
      }
      policy.other_qualifiers.emplace_back(whole.whole.begin(), whole.whole.end());
    }
  }
  return policy;
}

}  // namespace hsmbridge::x509
