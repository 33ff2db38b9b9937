#include "ca/inventory.h"

#include "base/error.h"
#include "x509/content/extensions.h"
#include "x509/judge/same_name.h"
#include "x509/objects/crl.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <utility>

namespace hsmbridge::ca {
namespace {

constexpr unsigned kOnHold = 6;  // CRLReason certificateHold
constexpr std::size_t kMostTold = 20;

const x509::Oid kDeltaIndicator{"2.5.29.27"};

bool same_ca(const x509::Name& one, const x509::Name& other) {
  return x509::likeness(one, other) <= x509::Likeness::other_spelling;
}

std::string told(const RevokedBefore& revoked) {
  return fmt::format("{}, reason {}", rfc3339(revoked.at), revoked.reason);
}

// The sources, held against each other.
class Comparison {
 public:
  Comparison(const InventorySources& sources, const x509::Certificate& issuer, Instant now)
      : sources_(sources), issuer_(issuer), now_(now) {}

  Inventory run() {
    if (sources_.index) take_index(*sources_.index);
    if (same_ca(issuer_.issuer(), issuer_.subject())) take_certificate(issuer_, "the CA's own certificate");
    for (const InventorySources::File& file : sources_.certificates) {
      take_certificate(prefixed(file.name, [&] { return x509::parse_certificate(file.der); }), file.name);
    }
    for (const IssuedBefore& one : sources_.log) take_logged(one);
    compare_with_known();
    if (sources_.crl) take_crl(*sources_.crl);
    for (const InventorySources::File& file : sources_.shards) take_shard(file);
    take_revocations();
    for (const auto& [serial, one] : all_) {
      if (serial.starts_with('-')) {
        problem(
            fmt::format("{} has the serial number {}, and a negative number cannot be on a CRL", one.place, serial));
      }
    }
    for (const Inventory::Revoked& one : inventory_.revoked) {
      if (one.how.reason == 7 || one.how.reason == 8 || one.how.reason > 10) {
        problem(fmt::format("{} is revoked with the reason {}, which no complete CRL has", one.serial, one.how.reason));
      }
    }
    refuse_problems();
    for (auto& [serial, one] : all_) inventory_.certificates.push_back(std::move(one));
    return std::move(inventory_);
  }

 private:
  void problem(std::string text) { problems_.push_back(std::move(text)); }

  void refuse_problems() const {
    if (problems_.empty()) return;
    std::string text =
        fmt::format("the sources contradict each other in {} place{}, and nothing is taken over:", problems_.size(),
                    problems_.size() == 1 ? "" : "s");
    for (std::size_t i = 0; i < std::min(problems_.size(), kMostTold); ++i) text += "\n  - " + problems_[i];
    if (problems_.size() > kMostTold) text += fmt::format("\n  - and {} more", problems_.size() - kMostTold);
    throw Error{ErrorKind::conflict, text}.hint(
        "give an index that is as new as the CRL: let the old program publish one more CRL, and take both");
  }

  void take_index(const std::vector<IssuedBefore>& index) {
    for (const IssuedBefore& one : index) {
      const auto [there, is_new] = all_.try_emplace(one.serial, one);
      if (!is_new) {
        problem(
            fmt::format("the serial number {} is there twice: {} and {}", one.serial, there->second.place, one.place));
      }
    }
  }

  void take_logged(const IssuedBefore& one) {
    const auto [there, is_new] = all_.try_emplace(one.serial, one);
    if (is_new || there->second.not_after == one.not_after) return;
    problem(fmt::format("serial number {}: {} says that it ends {}, and {} says {}", one.serial, there->second.place,
                        rfc3339(there->second.not_after), one.place, rfc3339(one.not_after)));
  }

  // By its end a revocation leaves the CRL, and an index is signed by nobody.
  void compare_with_known() {
    if (!sources_.known) return;
    for (const auto& [serial, one] : all_) {
      const auto end = sources_.known(serial);
      if (!end || *end == one.not_after) continue;
      problem(fmt::format("serial number {}: {} says that it ends {}, and this store says {}", serial, one.place,
                          rfc3339(one.not_after), rfc3339(*end)));
    }
  }

  void take_certificate(const x509::Certificate& certificate, const std::string& place) {
    const std::string serial = x509::serial_text(certificate.serial());
    if (!same_ca(certificate.issuer(), issuer_.subject())) {
      ++inventory_.of_other_issuers;
      return;
    }
    if (!x509::signature_verifies(certificate, issuer_.spki())) {
      return problem(fmt::format("{} (serial number {}) names this CA as its issuer, and is not signed by its key",
                                 place, serial));
    }
    const auto [der, is_new] = ders_.try_emplace(serial, certificate.der, place);
    if (!is_new) {
      if (der->second.first != certificate.der) {
        problem(
            fmt::format("the serial number {} is in two certificates: {} and {}", serial, der->second.second, place));
      }
      return;
    }
    note_address(certificate, place);
    const bool self_issued = same_ca(certificate.subject(), issuer_.subject());
    const auto found = all_.find(serial);
    if (found == all_.end()) {
      // Of a lost store the index may be that of the program before.
      if (sources_.index && !sources_.known && !self_issued)
        problem(fmt::format("the index lacks {} (serial number {})", place, serial));
      all_[serial] = {serial, certificate.subject().to_string(),   certificate.tbs.validity.not_after, std::nullopt,
                      place,  x509::spki_hash(certificate.spki()), holder_of(certificate.content())};
    } else if (found->second.not_after != certificate.tbs.validity.not_after) {
      problem(fmt::format("serial number {}: {} says that it ends {}, and {} says {}", serial, found->second.place,
                          rfc3339(found->second.not_after), place, rfc3339(certificate.tbs.validity.not_after)));
    } else {
      found->second.subject = certificate.subject().to_string();
      found->second.key = x509::spki_hash(certificate.spki());
      found->second.holder = holder_of(certificate.content());
    }
  }

  // Where whoever verifies it looks for its revocation. What a lost store has issued (`known`) is on the CRLs of this
  // program, which says all that it revokes.
  void note_address(const x509::Certificate& certificate, const std::string& place) {
    const bool is_over = certificate.tbs.validity.not_after < now_;
    if (sources_.index || sources_.known || is_over || certificate.der == issuer_.der) return;
    for (const x509::Extension& extension : certificate.tbs.extensions) {
      if (extension.oid != x509::oids::kCrlDistributionPoints) continue;
      addresses_.try_emplace(prefixed(place, [&] { return x509::crl_urls(extension.value); }), place);
    }
  }

  LastCrl last_of(const InventorySources::File& file, const x509::TbsCertList& list) const {
    LastCrl last;
    last.number = prefixed(file.name, [&] { return crl_number_of(file.der, issuer_); });
    if (last.number >= static_cast<std::uint64_t>(kHighestCrlNumber)) {
      throw Error{ErrorKind::invalid_input, fmt::format("{} has the number {}, after which there is no room for those "
                                                        "that follow it",
                                                        file.name, last.number)};
    }
    last.this_update = list.this_update;
    last.next_update = list.next_update.value_or(list.this_update);
    if (last.this_update > now_) {
      throw Error{ErrorKind::invalid_input, fmt::format("{} is of {}, and this machine's clock says {}", file.name,
                                                        rfc3339(last.this_update), rfc3339(now_))}
          .hint("set the clock right");
    }
    return last;
  }

  // One of ours: what it revokes is known, or among what is given.
  void take_shard(const InventorySources::File& file) {
    const x509::CertificateList list = prefixed(file.name, [&] {
      refuse_part(x509::parse_crl(file.der).tbs);
      return x509::parse_crl(file.der);
    });
    LastCrl last = last_of(file, list.tbs);
    last.distribution_point = distribution_point_of(list.tbs);
    for (const x509::RevokedCertificate& one : list.tbs.revoked) {
      const std::string serial = x509::serial_text(one.serial);
      const RevokedBefore revoked{one.revoked_at, one.reason.value_or(0)};
      entries_.try_emplace(serial, revoked);
      of_shards_[serial] = {last.distribution_point, last.this_update};
      take_entry(serial, revoked, file.name);
    }
    inventory_.shards.push_back(std::move(last));
  }

  void take_crl(const InventorySources::File& file) {
    const x509::CertificateList list = prefixed(file.name, [&] {
      refuse_part(x509::parse_crl(file.der).tbs);
      refuse_another_place(x509::parse_crl(file.der).tbs);
      return x509::parse_crl(file.der);
    });
    refuse_other_addresses(file.name, list.tbs);
    inventory_.crl = last_of(file, list.tbs);
    inventory_.crl->only_authorities = is_only_of_authorities(list.tbs);
    if (inventory_.crl->only_authorities) expect_no_others(file.name, list.tbs.this_update);
    const Instant this_update = inventory_.crl->this_update;
    std::size_t with_more = 0;
    for (const x509::RevokedCertificate& one : list.tbs.revoked) {
      const std::string serial = x509::serial_text(one.serial);
      const RevokedBefore revoked{one.revoked_at, one.reason.value_or(0)};
      if (!entries_.try_emplace(serial, revoked).second) problem(fmt::format("{} revokes {} twice", file.name, serial));
      if (x509::serial_sign(one.serial) == x509::SerialSign::negative) {
        problem(fmt::format("{} revokes {}, and a negative number cannot be written again", file.name, serial));
      }
      if (one.extensions.size() > (one.reason ? 1U : 0U)) ++with_more;
      take_entry(serial, revoked, file.name);
    }
    if (with_more > 0) {
      inventory_.notes.push_back(fmt::format(
          "{} entries of the CRL say more than a reason (an invalidity date, for example), which is not repeated",
          with_more));
    }
    for (const auto& [serial, one] : all_) {
      const bool missing = one.revoked && one.revoked->at < this_update && one.not_after >= this_update &&
                           entries_.find(serial) == entries_.end();
      if (missing) {
        problem(fmt::format("{}: {} was revoked {}, and {} of {} does not say so", one.place, serial,
                            rfc3339(one.revoked->at), file.name, rfc3339(this_update)));
      }
    }
  }

  // What is revoked of others is on another CRL, which nobody has given.
  void expect_no_others(const std::string& crl, Instant this_update) {
    for (const auto& [serial, one] : all_) {
      if (one.holder != Holder::end_entity || one.not_after < this_update) continue;
      problem(
          fmt::format("{} is about the certificates of CAs alone (onlyContainsCACerts), and {} (serial number {}) "
                      "is not one",
                      crl, one.place, serial));
    }
  }

  void take_revocations() {
    std::map<std::string, Inventory::Revoked> all;
    for (const auto& [serial, one] : all_) {
      if (one.revoked) all[serial] = {serial, *one.revoked, one.not_after, ""};
    }
    for (const auto& [serial, how] : entries_) {
      const auto found = all_.find(serial);
      const auto end = found != all_.end() ? std::optional(found->second.not_after) : known(serial);
      const auto shard = of_shards_.find(serial);
      if (!end) continue;
      if (shard == of_shards_.end()) {
        all[serial] = {serial, how, std::max(*end, inventory_.crl->this_update), ""};
      } else {
        all[serial] = {serial, how, std::max(*end, shard->second.second), shard->second.first};
      }
    }
    std::size_t on_hold = 0;
    for (auto& [serial, one] : all) {
      if (one.how.reason == kOnHold) ++on_hold;
      inventory_.revoked.push_back(std::move(one));
    }
    if (on_hold == 0) return;
    inventory_.notes.push_back(
        fmt::format("{} certificates are on hold (certificateHold): nothing here takes a hold back", on_hold));
  }

  std::optional<Instant> known(const std::string& serial) const {
    return sources_.known ? sources_.known(serial) : std::nullopt;
  }

  void take_entry(const std::string& serial, const RevokedBefore& revoked, const std::string& crl) {
    const auto found = all_.find(serial);
    if (found == all_.end()) {
      if (known(serial)) return;
      return problem(fmt::format("{} revokes the serial number {}, and {} lacks it", crl, serial,
                                 sources_.index ? "the index" : "what is given of its certificates"));
    }
    IssuedBefore& one = found->second;
    if (sources_.index && !sources_.known && !one.revoked) {
      return problem(
          fmt::format("{} revokes {}, and {} does not say so: it is older than the CRL", crl, serial, one.place));
    }
    if (one.revoked && *one.revoked != revoked) {
      return problem(
          fmt::format("{}: {} says {}, and {} says {}", serial, one.place, told(*one.revoked), crl, told(revoked)));
    }
    one.revoked = revoked;
  }

  // A CRL that says where it is may be one partition of several, which look the same. An index tells what is revoked.
  void refuse_another_place(const x509::TbsCertList& list) const {
    const auto& point = list.issuing_distribution_point;
    if (!point || !point->names_place || sources_.index || is_ours(point->urls)) return;
    throw Error{ErrorKind::invalid_input,
                fmt::format("it says that it is the CRL at {}, and may be one of several that each revoke a part",
                            spoken_place(point->urls))}
        .hint((point->urls.empty() ? ""
                                   : "where it is the only one, name that address as `url` under `crl`; where there "
                                     "are more, ") +
              std::string("let the old program publish a complete CRL, or give its index"));
  }

  // What is revoked of a certificate stands on the CRL at the address that it names: another one says nothing of it. An
  // index says it.
  void refuse_other_addresses(const std::string& crl, const x509::TbsCertList& list) const {
    const auto& point = list.issuing_distribution_point;
    for (const auto& [urls, place] : addresses_) {
      if (is_ours(urls)) continue;
      if (point && std::find_first_of(urls.begin(), urls.end(), point->urls.begin(), point->urls.end()) != urls.end()) {
        continue;
      }
      throw Error{ErrorKind::invalid_input, fmt::format("{} names the CRL at {}, and nothing says that {} is that one: "
                                                        "what is revoked may be on another",
                                                        place, spoken_place(urls), crl)}
          .hint((urls.empty() ? "" : "where it is, name that address as `url` under `crl`; else ") +
                std::string("give the index of the old program, which says what is revoked"));
    }
  }

  // Whether one of them is where the CRL of the CA is published.
  bool is_ours(const std::vector<std::string>& urls) const {
    return !sources_.crl_url.empty() && std::find(urls.begin(), urls.end(), sources_.crl_url) != urls.end();
  }

  static std::string spoken_place(const std::vector<std::string>& urls) {
    return urls.empty() ? "a place that is no URL" : urls.front();
  }

  // What this program publishes is complete, or of a CA of CAs: a part of what a CA revokes cannot be continued.
  static void refuse_part(const x509::TbsCertList& list) {
    for (const x509::Extension& extension : list.extensions) {
      std::string what;
      if (extension.oid == kDeltaIndicator) what = "is a delta CRL";
      const bool is_point = extension.oid == x509::oids::kIssuingDistributionPoint;
      // One that says where the CRL is, and limits nothing (step-ca writes it), or that it is about CAs.
      const bool names_its_place = is_point && !list.issuing_distribution_point->has_limits;
      if (is_point && !names_its_place) {
        what = "is a part of what the CA revokes, or indirect (issuing distribution point)";
      }
      if (what.empty() && extension.critical && !names_its_place)
        what = "has the critical extension " + extension.oid.name();
      if (what.empty()) continue;
      throw Error{ErrorKind::invalid_input, "it " + what + ", and this program publishes complete CRLs"}.hint(
          "let the old program publish a complete CRL, and give that one");
    }
  }

  const InventorySources& sources_;
  const x509::Certificate& issuer_;
  const Instant now_;
  std::map<std::string, IssuedBefore> all_;
  std::map<std::string, std::pair<Bytes, std::string>> ders_;         // by serial number, and where each came from
  std::map<std::vector<std::string>, std::string> addresses_;         // that certificates name, and the first that does
  std::map<std::string, RevokedBefore> entries_;                      // of the CRL
  std::map<std::string, std::pair<std::string, Instant>> of_shards_;  // whose, and its thisUpdate
  std::vector<std::string> problems_;
  Inventory inventory_;
};

}  // namespace

Inventory inventory(const InventorySources& sources, const x509::Certificate& issuer, Instant now) {
  return Comparison(sources, issuer, now).run();
}

}  // namespace hsmbridge::ca
