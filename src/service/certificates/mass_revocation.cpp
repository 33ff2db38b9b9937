#include "service/certificates/mass_revocation.h"

#include "base/bytes.h"
#include "service/certificates/certificates.h"
#include "service/certificates/renewal.h"
#include "service/content/brought_csr.h"
#include "workflow/machine/lifecycle.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace hsmbridge::service {

namespace {

namespace status = workflow::status;

constexpr std::size_t kLeastDigits = 8;
// RFC 5280 §5.1.2.6: a serial number of 20 octets and a UTCTime; with the extension reasonCode.
constexpr std::size_t kEntryOctets = 39;
constexpr std::size_t kEntryOctetsWithReason = 53;

const workflow::RevocationReason& reason_named(const std::string& text) {
  const auto* row = workflow::revocation_reason(text);
  if (row != nullptr) return *row;
  std::string names;
  for (const auto& one : workflow::revocation_reasons()) {
    names += (names.empty() ? "" : ", ") + std::string(one.name);
  }
  throw Error{ErrorKind::invalid_input,
              text.empty() ? "no reason is given" : fmt::format("there is no reason '{}'", text)}
      .hint("there are: " + names);
}

// Certificates of the same key that may be valid and are not among `named`.
std::vector<std::string> others_of_key(workflow::Store& store, const SpkiHash& spki,
                                       const std::set<std::string>& named) {
  workflow::CertificateQuery query;
  query.spki = spki;
  query.statuses = {status::kCurrent, status::kSuperseded, status::kHeld, status::kLate, status::kQuarantined};
  std::vector<std::string> others;
  for (const auto& one : store.certificates(query)) {
    if (!named.contains(one.fingerprint)) others.push_back(one.fingerprint);
  }
  return others;
}

void look_at(Bridge& bridge, workflow::Store& store, const std::string& reason, MassRevocation::Row& row) {
  // Nobody looks at each of them: a slip of the finger may name another one.
  if (row.certificate.size() < kLeastDigits) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("'{}': at least {} digits name a certificate", row.certificate, kLeastDigits)};
  }
  const auto record = find_certificate(store, row.certificate, Meaning::brought);
  row.certificate = record.fingerprint;
  row.subject = record.subject;
  row.reason = std::string(reason_named(reason).name);
  row.provider = request_of(store, record).order.provider;
  row.spki = record.spki;
  row.is_revoked = record.status == status::kRevoked;
  if (const auto open = open_revocation(store, record.fingerprint)) row.under_way = open->order.id;
  if (row.over() && reason_named(reason).compromise && !compromised(&store, record.spki)) {
    const std::string name = record.fingerprint.substr(0, 12);
    throw Error{ErrorKind::conflict,
                fmt::format("certificate {} is revoked, or about to be, for another reason: that stays, and its key is "
                            "not recorded as compromised",
                            name)}
        .hint(fmt::format("record it: hsmbridge cert revoke {} --reason {}", name, row.reason));
  }
  if (row.over()) return;
  row.is_in_use = record.status == status::kCurrent;
  refuse_revocation(bridge, record, row.provider, {row.reason});
}

MassRevocation::AtProvider at_provider(Bridge& bridge, const std::string& name,
                                       const std::vector<const MassRevocation::Row*>& rows) {
  MassRevocation::AtProvider at{name, rows.size(), std::nullopt, std::nullopt};
  const auto& settings = bridge.settings().provider(name);
  if (settings.calls_per_minute) {
    at.at_least = std::chrono::minutes{(rows.size() + *settings.calls_per_minute - 1) / *settings.calls_per_minute};
  }
  if (settings.type != workflow::kLocalAuthority) return at;
  const auto provider = bridge.provider(name);
  const auto view = dynamic_cast<workflow::CertificateAuthority&>(*provider).view();
  if (view.crls.empty()) return at;
  at.crl.emplace();
  const auto add = [&](std::size_t entries, bool with_reason) {
    at.crl->entries += entries;
    at.crl->octets += entries * (with_reason ? kEntryOctetsWithReason : kEntryOctets);
  };
  add(view.revoked, true);
  for (const auto* row : rows) add(1, workflow::revocation_reason(row->reason)->code != 0);
  return at;
}

}  // namespace

std::vector<std::string> revocation_columns() {
  return {"certificate", "reason"};
}

MassRevocation plan_mass_revocation(Bridge& bridge, workflow::Store& store, const std::vector<BatchRow>& rows,
                                    const std::optional<std::string>& reason) {
  if (rows.empty()) throw Error{ErrorKind::invalid_input, "the file names no certificate"};
  MassRevocation planned;
  std::set<std::string> seen;
  std::map<std::string, std::vector<const MassRevocation::Row*>> providers;
  planned.rows.reserve(rows.size());
  for (const BatchRow& one : rows) {
    MassRevocation::Row& row = planned.rows.emplace_back();
    row.line = one.line;
    try {
      row.certificate = one.text_or("certificate", "");
      look_at(bridge, store, one.text_or("reason", reason.value_or("")), row);
      if (!seen.insert(row.certificate).second) {
        throw Error{ErrorKind::invalid_input,
                    fmt::format("certificate {} is named twice", row.certificate.substr(0, 12))};
      }
    } catch (const Error& error) {
      row.fault = error;
    }
    if (row.fault) {
      ++planned.faults;
    } else if (row.is_revoked) {
      ++planned.revoked;
    } else if (row.under_way) {
      ++planned.under_way;
    } else {
      ++planned.to_revoke;
      if (row.is_in_use) ++planned.in_use;
      providers[row.provider].push_back(&row);
    }
  }
  for (MassRevocation::Row& row : planned.rows) {
    if (row.fault || !workflow::revocation_reason(row.reason)->compromise) continue;
    row.same_key = others_of_key(store, row.spki, seen);
  }
  std::map<std::string, std::string> work;
  for (const auto& [name, its_rows] : providers) {
    planned.providers.push_back(at_provider(bridge, name, its_rows));
    for (const auto* row : its_rows) work[row->certificate] = row->reason + " " + row->provider;
  }
  std::string text;
  for (const auto& [certificate, words] : work) text += fmt::format("{} {}\n", certificate, words);
  planned.plan = hex(sha256(as_bytes(text)));
  return planned;
}

}  // namespace hsmbridge::service
