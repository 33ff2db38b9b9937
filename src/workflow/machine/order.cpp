#include "workflow/machine/order.h"

#include "base/error.h"
#include "base/text.h"
#include "x509/objects/certificate.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace hsmbridge::workflow {
namespace {

constexpr std::size_t kLength = 8;  // octets of a length

// What it asks for; of a revocation, what its certificate has. Nothing when that cannot be read: it is still revoked.
std::optional<x509::Content> content_of(const Order& order) {
  if (const Enroll* enrolment = order.enrolment()) return enrolment->content.content;
  if (order.predecessor() == nullptr) return std::nullopt;
  try {
    return x509::parse_certificate(order.predecessor()->der).content();
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return result;
}

}  // namespace

const Enroll* Order::enrolment() const {
  if (const auto* renewal = std::get_if<Renew>(&what)) return renewal;
  return std::get_if<Enroll>(&what);
}

const Predecessor* Order::predecessor() const {
  if (const auto* renewal = std::get_if<Renew>(&what)) return &renewal->predecessor;
  return revocation() == nullptr ? nullptr : &revocation()->predecessor;
}

std::string Order::token() const {
  return enrolment() == nullptr ? std::string{} : enrolment()->token;
}

const Bytes& Order::brought_csr() const {
  static const Bytes kNone;
  return enrolment() == nullptr ? kNone : enrolment()->key.csr;
}

std::string who_asked(const Order& order) {
  return order.created_by + (order.asked_by.empty() ? "" : " for " + joined(order.asked_by));
}

const Enroll& enrolment_of(const Order& order) {
  if (const Enroll* enrolment = order.enrolment()) return *enrolment;
  throw Error{ErrorKind::internal,
              "request " + order.id.str() + " (" + std::string(order.traits().name) + ") asks for no certificate"};
}

std::string names_of(const Order& order) {
  if (order.issues_crl()) return "CRL of " + order.provider;
  const auto content = content_of(order);
  if (!content) return "";
  std::string names;
  for (const x509::GeneralName& name : content->subject_alternative_names) {
    constexpr std::string_view kDns = "dns:";
    const std::string_view text = name.text;
    names += (names.empty() ? "" : ", ") + std::string(text.substr(text.starts_with(kDns) ? kDns.size() : 0));
  }
  return names.empty() ? content->subject.to_string() : names;
}

std::vector<std::string> search_names(const Order& order) {
  std::vector<std::string> names;
  const auto content = content_of(order);
  if (!content) return names;
  const auto add = [&names](std::string name) {
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
  };
  for (const x509::GeneralName& name : content->subject_alternative_names) add(search_name(name.text));
  if (const auto common_name = content->subject.find(x509::oids::kCommonName)) add(lower(*common_name));
  return names;
}

std::string search_name(std::string_view typed) {
  std::string name = lower(typed);
  for (const std::string_view kind : {"dns:", "ip:", "email:", "uri:", "upn:", "othername:", "dirname:", "rid:"}) {
    if (name.starts_with(kind)) return name.substr(kind.size());
  }
  return name;
}

// Stores compare it with what older programs wrote: neither the parts nor the text of the content ever change.
std::string work_of(const Order& order) {
  std::string text;
  // Each part with its length first, so that no two lists of parts read the same.
  const auto add = [&text](const std::string& part) { text += std::to_string(part.size()) + ":" + part; };
  if (const Predecessor* predecessor = order.predecessor()) {
    add(std::string(order.traits().name));
    add(predecessor->certificate);
  } else if (order.issues_crl()) {
    add(std::string(order.traits().name));
    add(order.provider);
  } else if (const Enroll* enrolment = order.enrolment()) {
    add(enrolment->token);
    add(enrolment->key.selector);
    // The same CSR at the same provider is the same work, whatever else is typed.
    if (enrolment->key.source == KeyWish::Source::brought) {
      add(order.provider);
      add(hex(sha256(enrolment->key.csr)));
    }
    if (enrolment->key.source == KeyWish::Source::use) {
      add(order.provider);
      add(order.profile);
      add(x509::to_json(enrolment->content).dump());
    }
    if (!enrolment->cross_signs.empty()) add(hex(sha256(enrolment->cross_signs)));
  }
  return hex(sha256(as_bytes(text)));
}

Bytes draft_octets(const Draft& draft) {
  Bytes octets;
  for (const Bytes* part : {&draft.csr, &draft.to_be_signed}) {
    for (int shift = 56; shift >= 0; shift -= 8) octets.push_back(static_cast<std::uint8_t>(part->size() >> shift));
  }
  octets.insert(octets.end(), draft.csr.begin(), draft.csr.end());
  octets.insert(octets.end(), draft.to_be_signed.begin(), draft.to_be_signed.end());
  return octets;
}

void set_draft_octets(Draft& draft, ByteView octets) {
  const auto length = [octets](std::size_t at) {
    std::uint64_t size = 0;
    for (const std::uint8_t octet : octets.subspan(at, kLength)) size = size << 8U | octet;
    return size;
  };
  const std::uint64_t csr = octets.size() < 2 * kLength ? 1 : length(0);
  const ByteView parts = octets.size() < 2 * kLength ? ByteView{} : octets.subspan(2 * kLength);
  if (csr > parts.size() || length(kLength) != parts.size() - csr) {
    throw Error{ErrorKind::corrupt, "the octets of a draft do not have the lengths that they begin with"};
  }
  draft.csr.assign(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(csr));
  draft.to_be_signed.assign(parts.begin() + static_cast<std::ptrdiff_t>(csr), parts.end());
}

std::string draft_digest(const Draft& draft) {
  Bytes octets = draft_octets(draft);
  octets.insert(octets.end(), draft.provider_state.begin(), draft.provider_state.end());
  return hex(sha256(octets));
}

const Bytes& IssuedResult::octets() const {
  return std::visit([](const auto& one) -> const Bytes& { return one.octets; }, product);
}

}  // namespace hsmbridge::workflow
