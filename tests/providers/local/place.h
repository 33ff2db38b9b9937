#pragma once

#include "base/error.h"
#include "base/file.h"
#include "ca/issue.h"
#include "providers/local/provider.h"
#include "support/error_of.h"
#include "support/fake_clock.h"
#include "support/memory/memory_store.h"
#include "support/software_signer.h"
#include "support/temp_folder.h"
#include "x509/objects/csr.h"
#include "x509/objects/pem.h"

#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace hsmbridge::test {

using namespace workflow;
using namespace std::chrono_literals;

// A key that does what a test tells it once it is asked to sign.
class TestKey final : public x509::Signer {
 public:
  TestKey(SoftwareSigner& key, std::vector<Bytes>& signed_bytes, std::function<void()> before)
      : key_(key), signed_(signed_bytes), before_(std::move(before)) {}
  const Bytes& subject_public_key_info() const override { return key_.subject_public_key_info(); }
  Bytes sign(ByteView to_be_signed, const x509::SignatureAlgorithm& algorithm) override {
    signed_.emplace_back(to_be_signed.begin(), to_be_signed.end());
    if (before_) before_();
    return key_.sign(to_be_signed, algorithm);
  }

 private:
  SoftwareSigner& key_;
  std::vector<Bytes>& signed_;
  const std::function<void()> before_;
};

// A self-signed CA, its file, and an order at it.
struct Place {
  TempFolder folder;
  FakeClock clock;
  MemoryStore store{clock};
  SoftwareSigner key{"ec:P-256"};
  SoftwareSigner leaf{"ec:P-256"};
  std::vector<Bytes> signed_bytes;
  std::vector<Json> facts;
  std::function<void()> before;   // the key signs
  std::function<void()> opening;  // it is opened
  std::function<SerialNumbers&()> serials = [this]() -> SerialNumbers& { return store; };
  std::string spent;  // the word for the CA's key
  local::Settings settings;
  std::optional<local::LocalProvider> provider;
  Order order;
  const x509::SignatureAlgorithm& algorithm = x509::signature_algorithm("ecdsa-sha256");
  std::string other_stores;   // "ISSUER SERIAL" of a certificate that another store made
  std::vector<Bytes> others;  // certificates of the other CAs of the bridge

  Place() {
    settings.name = "issuing";
    settings.certificate = folder / "issuing.pem";
    settings.key = {"ca", "issuing-2026"};
    ca::Profile profile;
    profile.name = "tls";
    profile.key_usage = x509::KeyUsages{x509::KeyUsage::digital_signature};
    profile.extended_key_usage = {x509::parse_extended_key_usage("serverAuth")};
    settings.profiles = {{profile, {"server"}}};
    settings.root = local::Settings::Root{{x509::Name::parse("CN=Root"), 24h * 3650, {}, {}}, {}};
    make();
    write(provider->certify_itself(key.subject_public_key_info(), clock.now()));
    signed_bytes.clear();
    facts.clear();

    x509::RequestedContent content;
    content.content.subject = x509::Name::parse("CN=www.example.com");
    content.content.subject_alternative_names = {x509::GeneralName::parse("dns:www.example.com")};
    order.id = RequestId{"REQUEST"};
    order.provider = "issuing";
    order.profile = "server";
    order.what = Enroll{"web", {}, content, {}};
  }
  void make() {
    local::Dependencies dependencies{
        [this](Purpose, const SpkiHash& spki, const Json& said, Duration) {
          if (opening) opening();
          CHECK(spki == x509::spki_hash(key.subject_public_key_info()));
          facts.push_back(said);
          return std::make_unique<TestKey>(key, signed_bytes, before);
        },
        [this]() -> SerialNumbers& { return serials(); },
        [this]() -> Revocations& { return store; },
        [this](const Order&) { return std::vector<Bytes>{anchor}; },
        [this](const SpkiHash&) { return spent; },
        nullptr,
        [this](const std::string& issuer, const std::string& serial) { return other_stores == issuer + " " + serial; }};
    dependencies.authorities = [this] { return others; };
    provider.emplace(settings, std::move(dependencies), clock);
  }
  void write(const Bytes& der) {
    anchor = der;
    write_file(settings.certificate, as_bytes(x509::certificate_to_pem(der)), FileMode::public_0644, Existing::replace);
  }
  Bytes csr() { return x509::create_csr(leaf, enrolment_of(order).content.content, algorithm); }
  Draft drafted() {
    Draft draft;
    draft.csr = csr();
    ProviderDraft added = provider->draft(order, draft.csr, clock.now());
    draft.to_be_signed = std::move(added.to_be_signed);
    draft.algorithm = std::move(added.algorithm);
    draft.issuer = std::move(added.issuer);
    draft.provider_state = std::move(added.provider_state);
    draft.built_at = clock.now();
    return draft;
  }
  ProviderCall call(const Draft& draft) {
    key_of_leaf.spki = x509::spki_hash(leaf.subject_public_key_info());
    return {order, key_of_leaf, draft, 1, nullptr, clock.now(), 1min, clock.since_boot() + 1min};
  }
  Bytes anchor;
  Key key_of_leaf;
};

template <class Answer>
const Answer& as(const SubmitAnswer& answer) {
  REQUIRE(std::holds_alternative<Answer>(answer));
  return std::get<Answer>(answer);
}

}  // namespace hsmbridge::test
