#pragma once

#include "base/error.h"
#include "base/file.h"
#include "ca/crl.h"
#include "ca/issue.h"
#include "providers/local/provider.h"
#include "service/authorities/crl_at_url.h"
#include "service/worker/crl_schedule.h"
#include "support/fake_clock.h"
#include "support/memory/memory_store.h"
#include "support/software_signer.h"
#include "support/temp_folder.h"
#include "x509/objects/csr.h"
#include "x509/objects/pem.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hsmbridge::test {

using namespace workflow;
using namespace std::chrono_literals;

class LentKey final : public x509::Signer {
 public:
  LentKey(SoftwareSigner& key, unsigned& signed_, bool fails) : key_(key), signed_count_(signed_), fails_(fails) {}
  const Bytes& subject_public_key_info() const override { return key_.subject_public_key_info(); }
  Bytes sign(ByteView to_be_signed, const x509::SignatureAlgorithm& algorithm) override {
    if (fails_) throw Error{ErrorKind::unavailable, "the token is not there"};
    ++signed_count_;
    return key_.sign(to_be_signed, algorithm);
  }

 private:
  SoftwareSigner& key_;
  unsigned& signed_count_;
  const bool fails_;
};

// A root whose CRLs are published every day, and are valid for four.
struct Ca {
  TempFolder folder;
  FakeClock clock;
  MemoryStore store{clock};
  SoftwareSigner key{"ec:P-256"};
  unsigned signatures = 0;
  bool fails = false;
  std::optional<std::string> suspended;
  std::shared_ptr<local::CrlPut> put;
  local::Settings settings;
  std::shared_ptr<local::LocalProvider> provider;
  std::string issuer;
  Bytes anchor;

  Ca() {
    settings.name = "root";
    settings.certificate = folder / "root.pem";
    settings.key = {"ca", "root"};
    settings.root = local::Settings::Root{{x509::Name::parse("CN=Root"), 24h * 3650, {}, {}}, {}};
    settings.crl = local::Settings::Crl{folder / "root.crl", "", 24h * 4, 24h};
    make();
    anchor = provider->certify_itself(key.subject_public_key_info(), clock.now());
    issuer = hex(sha256(x509::parse_certificate(anchor).subject().der()));
    write_file(settings.certificate, as_bytes(x509::certificate_to_pem(anchor)), FileMode::public_0644,
               Existing::replace);
    signatures = 0;
  }
  void make() {
    local::Dependencies dependencies{[this](Purpose, const SpkiHash&, const Json& facts, Duration) {
                                       uses.push_back(facts.dump());
                                       return std::make_unique<LentKey>(key, signatures, fails);
                                     },
                                     [this]() -> SerialNumbers& { return store; },
                                     [this]() -> Revocations& { return store; },
                                     [this](const Order&) { return std::vector<Bytes>{anchor}; }};
    dependencies.suspended = [this](const std::string& of) {
      CHECK((issuer.empty() || of == issuer));
      return suspended;
    };
    dependencies.put = put;
    dependencies.fetch = [this](const net::PublicUrl& url, const net::PublicLimits&) {
      looked.push_back(url.text());
      if (meanwhile) std::exchange(meanwhile, nullptr)();
      return given(url);
    };
    provider = std::make_shared<local::LocalProvider>(settings, std::move(dependencies), clock);
  }
  // Four of them, and the complete one beside.
  void shard(unsigned count = 4) {
    settings.crl->shards.clear();
    for (unsigned number = 0; number < count; ++number) {
      const std::string name = std::to_string(number);
      settings.crl->shards.push_back({name, folder / ("shard-" + name + ".crl"), url_of(number)});
    }
    make();
  }
  static std::string url_of(unsigned number) {
    return "http://ca.example.com/shard-" + std::to_string(number) + ".crl";
  }
  std::string due() { return provider->view().crls.at(0).due; }
  void revoke(const std::string& serial) {
    store.revoke(
        {issuer, serial, 4, std::chrono::floor<std::chrono::seconds>(clock.now()), clock.now() + 24h * 90, ""});
  }
  std::vector<std::string> leaves;
  std::vector<std::string> uses;  // of the key, what is written down of each
  // What a URL answers; by default what its file holds.
  std::map<std::string, net::Exchange> answers;
  net::Exchange given(const net::PublicUrl& url) {
    if (const auto found = answers.find(url.text()); found != answers.end()) return found->second;
    for (const CrlPlace& place : provider->crl_places()) {
      if (place.url != url.text()) continue;
      if (!std::filesystem::exists(place.file)) return net::Response{404, {}, ""};
      return net::Response{200, {}, to_text(read_file(place.file))};
    }
    return net::NotSent{"nobody is there"};
  }
  // After a publication, and by the provider itself before one.
  std::vector<std::string> fetched, looked;
  std::function<void()> meanwhile;  // while the provider looks at a URL for the first time
  net::FetchPublic fetch() {
    return [this](const net::PublicUrl& url, const net::PublicLimits&) {
      fetched.push_back(url.text());
      return given(url);
    };
  }
  // A CRL of this CA that this store has not made.
  Bytes foreign_crl(std::uint64_t number, const std::string& revoked = "44", const std::string& point = "") {
    const auto root = x509::parse_certificate(anchor);
    const auto& algorithm = ca::issuing_algorithm("", root);
    ca::CrlFields fields{number, clock.now(), clock.now() + 24h, {{from_hex(revoked), clock.now(), 1}}};
    fields.distribution_point = point;
    return ca::signed_crl(ca::crl_to_be_signed(fields, root, algorithm), root, key, algorithm, clock.now());
  }
  service::CrlSchedule schedule() {
    return {{{"root", provider}},
            [this](std::string_view kind, const Json& facts) { leaves.push_back(std::string(kind) + facts.dump()); },
            clock,
            fetch()};
  }
};

}  // namespace hsmbridge::test
