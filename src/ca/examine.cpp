#include "ca/examine.h"

#include "base/text.h"
#include "ca/name_constraints.h"
#include "x509/content/extensions.h"
#include "x509/judge/same_name.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace hsmbridge::ca {
namespace {

using x509::Certificate;
using x509::TbsCertificate;

const x509::Oid kOcspSigning{"1.3.6.1.5.5.7.3.9"};

// The extensions that OpenSSL lets a CA mark critical, the list of X509_supported_extension.
constexpr auto kHandled = std::to_array<std::string_view>({
    "2.5.29.15",              // key usage
    "2.5.29.17",              // subject alternative name
    "2.5.29.19",              // basic constraints
    "2.5.29.30",              // name constraints
    "2.5.29.31",              // CRL distribution points
    "2.5.29.32",              // certificate policies
    "2.5.29.33",              // policy mappings
    "2.5.29.36",              // policy constraints
    "2.5.29.37",              // extended key usage
    "2.5.29.54",              // inhibit anyPolicy
    "1.3.6.1.5.5.7.1.7",      // IP address blocks
    "1.3.6.1.5.5.7.1.8",      // AS identifiers
    "2.16.840.1.113730.1.1",  // Netscape certificate type
});

bool is_ca(const TbsCertificate& certificate) {
  return certificate.content.basic_constraints && certificate.content.basic_constraints->ca;
}

bool self_issued(const Certificate& certificate) {
  return x509::likeness(certificate.subject(), certificate.issuer()) <= x509::Likeness::other_spelling;
}

std::string authority_at(const Certificate& authority, std::size_t height) {
  return fmt::format("{} \"{}\"", height == 0 ? "the issuer" : "the CA", authority.subject().to_string());
}

// What the content of one certificate meets in the CAs above it.
class Examination {
 public:
  Examination(const TbsCertificate& certificate, const Path& path) : certificate_(certificate), path_(path) {}

  std::vector<std::string> run() {
    check_dates();
    std::size_t below = is_ca(certificate_) ? 1 : 0;  // CAs that the path length of the next one up counts
    for (std::size_t i = 0; i < path_.authorities.size(); ++i) {
      const Certificate& authority = path_.authorities[i];
      who_ = authority_at(authority, i);
      check_path_length(authority, below);
      check_usages(authority);
      for (std::string& reason : forbidden_names(certificate_.content, authority)) add(std::move(reason));
      if (!self_issued(authority)) ++below;
    }
    return std::move(reasons_);
  }

 private:
  void add(std::string reason) { reasons_.push_back(std::move(reason)); }

  void check_dates() {
    const x509::Validity& issuer = path_.authorities.front().tbs.validity;
    if (certificate_.validity.not_after > issuer.not_after) {
      add(fmt::format("it would end {}, after its issuer ({})", rfc3339(certificate_.validity.not_after),
                      rfc3339(issuer.not_after)));
    }
    if (certificate_.validity.not_before < issuer.not_before) {
      add(fmt::format("it would begin {}, before its issuer ({})", rfc3339(certificate_.validity.not_before),
                      rfc3339(issuer.not_before)));
    }
  }

  void check_path_length(const Certificate& authority, std::size_t below) {
    const auto& constraints = authority.content().basic_constraints;
    if (!constraints || !constraints->ca || !constraints->path_length || *constraints->path_length >= below) return;
    add(*constraints->path_length == 0
            ? fmt::format("{} permits no CA below it (path length 0)", who_)
            : fmt::format("{} permits {} CAs below it one above the other (path length), and this would make {}", who_,
                          *constraints->path_length, below));
  }

  // RFC 5280 gives an extended key usage of a CA no meaning; OpenSSL, NSS, Windows and the browsers take it for the
  // limit of what may be issued below. Not of delegated OCSP responders: RFC 6960 §4.2.2.2 knows no such limit.
  void check_usages(const Certificate& authority) {
    const auto& limits = authority.content().extended_key_usage;
    const auto has = [&](const x509::Oid& usage) {
      return std::find(limits.begin(), limits.end(), usage) != limits.end();
    };
    if (limits.empty() || has(x509::oids::kAnyExtendedKeyUsage)) return;
    const std::string allowed = joined(limits, ", ", &x509::Oid::name);
    for (const x509::Oid& usage : certificate_.content.extended_key_usage) {
      if (usage != kOcspSigning && !has(usage)) {
        add(fmt::format("{} does not permit the extended key usage {} below it (it permits {})", who_, usage.name(),
                        allowed));
      }
    }
  }

  const TbsCertificate& certificate_;
  const Path& path_;
  std::string who_;
  std::vector<std::string> reasons_;
};

// What is wrong with the CAs themselves.
class Inspection {
 public:
  Inspection(const Path& path, Instant now) : path_(path), now_(now) {}

  std::vector<Unfitness> run() {
    for (std::size_t i = 0; i < path_.authorities.size(); ++i) {
      const Certificate& authority = path_.authorities[i];
      who_ = authority_at(authority, i);
      check_validity(authority);
      check_powers(authority, i > 0 && i + 1 == path_.authorities.size() && path_.gap.empty());
      check_critical(authority);
    }
    if (!path_.gap.empty()) add(path_.gap);
    return std::move(found_);
  }

 private:
  void add(std::string why, std::optional<Instant> until = std::nullopt) { found_.push_back({std::move(why), until}); }

  void check_validity(const Certificate& authority) {
    const x509::Validity& validity = authority.tbs.validity;
    if (now_ < validity.not_before) {
      add(fmt::format("{} is not valid before {}; if that is past, this machine's clock is slow", who_,
                      rfc3339(validity.not_before)),
          validity.not_before);
    }
    if (now_ > validity.not_after) add(fmt::format("{} ended {}", who_, rfc3339(validity.not_after)));
  }

  void check_powers(const Certificate& authority, bool anchor) {
    // An anchor older than version 3 cannot say what it is; it is trusted as a name and a key.
    if (anchor && authority.tbs.version < 3) return;
    if (!is_ca(authority.tbs)) add(fmt::format("{} is not a CA by its basic constraints", who_));
    const auto& usage = authority.content().key_usage;
    if (usage && !usage->has(x509::KeyUsage::key_cert_sign)) {
      add(fmt::format("{} may not sign certificates: its key usage ({}) lacks keyCertSign", who_,
                      x509::to_string(*usage)));
    }
  }

  void check_critical(const Certificate& authority) {
    for (const x509::Extension& extension : authority.tbs.extensions) {
      const std::string oid = extension.oid.dotted();
      if (extension.critical && std::find(kHandled.begin(), kHandled.end(), oid) == kHandled.end()) {
        add(fmt::format("{} marks its extension {} critical: OpenSSL and what is built on it refuse such a CA", who_,
                        extension.oid.name()));
      }
    }
  }

  const Path& path_;
  const Instant now_;
  std::string who_;
  std::vector<Unfitness> found_;
};

}  // namespace

std::vector<std::string> objections(const TbsCertificate& certificate, const Path& path) {
  return Examination(certificate, path).run();
}

std::vector<Unfitness> unfitness(const Path& path, Instant now) {
  return Inspection(path, now).run();
}

Bytes authority_key_identifier(const Certificate& issuer) {
  if (issuer.content().subject_key_identifier) return *issuer.content().subject_key_identifier;
  return x509::key_identifier(issuer.spki(), x509::KeyIdentifierMethod::sha256);
}

}  // namespace hsmbridge::ca
