// A CA whose key a service keeps: the same rules before anything is handed over, and what comes back.
#include "base/error.h"
#include "base/file.h"
#include "ca/crl.h"
#include "providers/local/provider.h"
#include "service/authorities/authorities.h"
#include "service/authorities/crl_request.h"
#include "service/requests/requests.h"
#include "support/error_of.h"
#include "support/fake_clock.h"
#include "support/memory/memory_store.h"
#include "support/software_signer.h"
#include "support/temp_folder.h"
#include "x509/objects/crl.h"
#include "x509/objects/csr.h"
#include "x509/objects/pem.h"
#include "x509/objects/signed_object.h"
#include "x509/objects/spki.h"

#include <catch2/catch.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

namespace {

// What it was asked, and what a test says that it answers.
class Service final : public providers::KeyService {
 public:
  std::vector<Bytes> submitted;
  std::optional<Bytes> key;
  SubmitAnswer answer = OutcomeUnknown{"the connection broke"};
  std::vector<std::string> reasons;

  std::string_view type() const override { return "fake"; }
  Capabilities capabilities() const override { return {.cancel = true, .shows_quorum = true}; }
  ProviderDraft draft(const Order&, ByteView, Instant) override { throw Error{ErrorKind::internal, "it is not asked"}; }
  std::vector<std::string> check(const ProviderCall&) override { return reasons; }
  SubmitAnswer submit(const ProviderCall& call) override {
    submitted.push_back(call.draft.to_be_signed);
    return answer;
  }
  LookUpAnswer look_up(const ProviderCall&) override { return CannotTell{"it has no search"}; }
  Report poll(const ProviderCall&) override {
    Report report;
    report.status = RequestStatus::awaiting_approval;
    report.provider_status = "PENDING";
    return report;
  }
  Report retrieve(const ProviderCall& call) override { return poll(call); }
  CancelAnswer cancel(const ProviderCall&) override { return CancelNotPossible{"asked there"}; }
  Issued certificate_in(const ProviderCall& call, const IssuedResult& result) const override {
    return {ca::assemble(call.draft.to_be_signed, call.draft.algorithm, call.draft.issuer, result.octets()),
            {call.draft.issuer}};
  }
  void confirm(const ProviderCall&, const Issued&) override {}
  std::vector<std::string> test() override { return {"the service answers"}; }
  std::optional<Bytes> public_key(Duration) override { return key; }
  std::size_t most_octets() const override { return 60'000; }
};

struct Place {
  TempFolder folder;
  FakeClock clock;
  MemoryStore store{clock};
  SoftwareSigner key{"ec:P-256"};
  SoftwareSigner leaf{"ec:P-256"};
  std::shared_ptr<Service> service = std::make_shared<Service>();
  std::vector<std::string> leaves;
  bool log_is_full = false;
  net::Exchange at_url = net::Response{404, {}, ""};
  local::Settings settings;
  std::optional<local::LocalProvider> provider;
  Order order;
  Key key_of_leaf;
  Bytes anchor;
  const x509::SignatureAlgorithm& algorithm = x509::signature_algorithm("ecdsa-sha256");

  Place() {
    settings.name = "issuing";
    settings.certificate = folder / "issuing.pem";
    settings.key.key = "issuing-2026";
    settings.key_service = {"tsb", std::nullopt};
    settings.crl = local::Settings::Crl{folder / "issuing.crl", "", 24h * 4};
    ca::Profile profile;
    profile.name = "tls";
    profile.key_usage = x509::KeyUsages{x509::KeyUsage::digital_signature};
    profile.extended_key_usage = {x509::parse_extended_key_usage("serverAuth")};
    settings.profiles = {{profile, {"server"}}};
    const ca::Root root{x509::Name::parse("CN=Issuing"), 24h * 3650, {}, {}};
    const Bytes tbs =
        ca::root_to_be_signed(root, algorithm, key.subject_public_key_info(), x509::random_serial(), clock.now());
    anchor = x509::assemble_certificate(tbs, algorithm, key.sign(tbs, algorithm), key.subject_public_key_info());
    write_file(settings.certificate, as_bytes(x509::certificate_to_pem(anchor)), FileMode::public_0644,
               Existing::refuse);
    service->key = key.subject_public_key_info();
    make();
    x509::RequestedContent content;
    content.content.subject = x509::Name::parse("CN=www.example.com");
    content.content.subject_alternative_names = {x509::GeneralName::parse("dns:www.example.com")};
    order.id = RequestId{"REQUEST"};
    order.provider = "issuing";
    order.profile = "server";
    order.what = Enroll{"web", {}, content, {}};
    key_of_leaf.spki = x509::spki_hash(leaf.subject_public_key_info());
  }
  void make() {
    local::Dependencies needs;
    needs.serials = [this]() -> SerialNumbers& { return store; };
    needs.revocations = [this]() -> Revocations& { return store; };
    needs.anchors = [this](const Order&) { return std::vector<Bytes>{anchor}; };
    needs.service = service;
    needs.fetch = [this](const net::PublicUrl&, const net::PublicLimits&) { return at_url; };
    needs.record = [this](std::string_view kind, const Json& facts) {
      if (log_is_full) throw Error{ErrorKind::unavailable, "the disk is full"};
      leaves.push_back(std::string(kind) + " " + facts.dump());
    };
    provider.emplace(settings, std::move(needs), clock);
  }
  Draft frozen(ProviderDraft added, Bytes csr) const {
    Draft draft;
    draft.csr = std::move(csr);
    draft.to_be_signed = std::move(added.to_be_signed);
    draft.algorithm = std::move(added.algorithm);
    draft.issuer = std::move(added.issuer);
    draft.provider_state = std::move(added.provider_state);
    draft.built_at = clock.now();
    return draft;
  }
  Draft drafted() {
    Bytes csr = x509::create_csr(leaf, enrolment_of(order).content.content, algorithm);
    return frozen(provider->draft(order, csr, clock.now()), csr);
  }
  void ask_for_crl() {
    order.profile.clear();
    order.what = IssueCrl{};
  }
  Draft drafted_crl() {
    ask_for_crl();
    return frozen(provider->draft(order, {}, clock.now()), {});
  }
  ProviderCall call(const Draft& draft) {
    return {order, key_of_leaf, draft, 1, nullptr, clock.now(), 1min, clock.since_boot() + 1min};
  }
  IssuedResult signature_of(const Draft& draft) {
    const Bytes octets = key.sign(draft.to_be_signed, algorithm);
    return {IssuedSignature{octets}, octets};
  }
  std::string issuer_id() const { return hex(sha256(x509::Name::parse("CN=Issuing").der())); }
};

}  // namespace

TEST_CASE_METHOD(Place, "the number is in the store and the leaf in the log before the frozen bytes are handed over") {
  const Draft draft = drafted();
  CHECK(store.serials_taken(issuer_id()) == 1);
  CHECK(provider->check(call(draft)).empty());
  CHECK(service->submitted.empty());
  Report taken;
  taken.status = RequestStatus::awaiting_approval;
  taken.reference = ProviderReference("R-1");
  service->answer = Accepted{taken};
  const SubmitAnswer answer = provider->submit(call(draft));
  REQUIRE(std::holds_alternative<Accepted>(answer));
  CHECK(service->submitted == std::vector<Bytes>{draft.to_be_signed});
  REQUIRE(leaves.size() == 1);
  CHECK(leaves[0].starts_with("ca-signature-asked "));
  CHECK(leaves[0].find(hex(sha256(draft.to_be_signed))) != std::string::npos);
  CHECK(leaves[0].find("\"key_provider\":\"tsb\"") != std::string::npos);
  CHECK(std::get<Accepted>(answer).report.progress.note == "it is signed with key issuing-2026 at provider tsb");
  CHECK(provider->poll(call(draft)).progress.note == "it is signed with key issuing-2026 at provider tsb");

  const Issued issued = provider->certificate_in(call(draft), signature_of(draft));
  CHECK(x509::signature_verifies(x509::parse_certificate(issued.certificate), key.subject_public_key_info()));
  CHECK(x509::parse_certificate(issued.certificate).tbs.der == draft.to_be_signed);
}

TEST_CASE_METHOD(Place, "what cannot be written down is not handed over") {
  const Draft draft = drafted();
  log_is_full = true;
  CHECK(std::holds_alternative<NotAccepted>(provider->submit(call(draft))));
  log_is_full = false;
  settings.serial_log = folder / "nowhere" / "serial.log";
  make();
  CHECK(std::holds_alternative<NotAccepted>(provider->submit(call(draft))));
  CHECK(service->submitted.empty());
}

TEST_CASE_METHOD(Place,
                 "a lost answer is not taken for nothing: the service is asked, and no second one is handed over") {
  const Draft draft = drafted();
  CHECK(std::holds_alternative<OutcomeUnknown>(provider->submit(call(draft))));
  CHECK(std::holds_alternative<CannotTell>(provider->look_up(call(draft))));
  CHECK(std::holds_alternative<CancelNotPossible>(provider->cancel(call(draft))));
  CHECK(service->submitted.size() == 1);
  CHECK_FALSE(provider->capabilities().complete_look_up);
  CHECK(provider->capabilities().cancel);
}

TEST_CASE_METHOD(Place, "the rules of the CA hold before the service is asked for anything") {
  std::get<Enroll>(order.what).content.content.extended_key_usage = {x509::parse_extended_key_usage("codeSigning")};
  CHECK(error_of([&] { drafted(); }).message().find("does not permit the extended key usage codeSigning") !=
        std::string::npos);
  std::get<Enroll>(order.what).content.content.extended_key_usage.clear();
  const Draft draft = drafted();
  settings.operator_command = true;
  make();
  CHECK(provider->check(call(draft)).size() == 1);
  CHECK(std::holds_alternative<RefusedForGood>(provider->submit(call(draft))));
  settings.operator_command = false;
  make();
  clock.advance(24h * 400);
  CHECK(std::holds_alternative<NotAccepted>(provider->submit(call(draft))));
  CHECK(service->submitted.empty());
}

TEST_CASE_METHOD(Place, "a key at the service that is not the certificate's is found before people approve") {
  const Draft draft = drafted();
  service->key = leaf.subject_public_key_info();
  const Error error = error_of([&] { provider->check(call(draft)); });
  CHECK(error.kind() == ErrorKind::conflict);
  CHECK(error.message().find("key issuing-2026 at provider tsb is not the key of ") == 0);
  CHECK(error_of([&] { provider->test(); }).kind() == ErrorKind::conflict);
  service->key.reset();  // it does not tell
  CHECK(provider->check(call(draft)).empty());
  CHECK(provider->test().back().find("whether it is the certificate's is not shown there") != std::string::npos);
  service->key = key.subject_public_key_info();
  CHECK(provider->test().back() == "key issuing-2026 at provider tsb is the key of the certificate");
}

TEST_CASE_METHOD(Place, "it is known where the key is, and that no token has it") {
  const AuthorityKey own = provider->key();
  CHECK(own.provider == "tsb");
  CHECK(own.token.empty());
  CHECK(own.certified == x509::spki_hash(key.subject_public_key_info()));
  CHECK(provider->view().key_provider == "tsb");
  CHECK(error_of([&] { provider->publish_crl("", clock.now()); }).kind() == ErrorKind::internal);
}

// ---- CRLs -----------------------------------------------------------------------------------------------------------

TEST_CASE_METHOD(Place, "a CRL is frozen under its number, handed over, and published as it was frozen") {
  store.revoke({issuer_id(), "1122", 4, clock.now(), clock.now() + 24h * 90, "OTHER"});
  const Draft draft = drafted_crl();
  CHECK(provider->check(call(draft)).empty());
  Report taken;
  taken.status = RequestStatus::awaiting_approval;
  service->answer = Accepted{taken};
  CHECK(std::holds_alternative<Accepted>(provider->submit(call(draft))));
  CHECK(service->submitted == std::vector<Bytes>{draft.to_be_signed});
  CHECK(leaves.at(0).find("\"crl_number\":1") != std::string::npos);
  // Revoked meanwhile: on the next one.
  store.revoke({issuer_id(), "3344", 4, clock.now(), clock.now() + 24h * 90, "OTHER"});
  clock.advance(24h * 2);
  const MadeCrl made = provider->publish_signed(call(draft), signature_of(draft));
  CHECK(made.crl.number == 1);
  CHECK(made.entries == 1);
  const auto list = x509::parse_crl(read_file(settings.crl->file));
  CHECK(list.tbs.der == draft.to_be_signed);
  CHECK(x509::is_signed_by(list.parts, key.subject_public_key_info()));
  CHECK(store.last_crl(issuer_id(), "") == made.crl);
  settings.crl->every = 24h;
  make();
  CHECK_FALSE(provider->crl_standing().crls.at(0).due.empty());
}

TEST_CASE_METHOD(Place, "a CRL is published once however often a process dies on the way") {
  const Draft draft = drafted_crl();
  const IssuedResult signature = signature_of(draft);
  const MadeCrl made = provider->publish_signed(call(draft), signature);
  const Bytes there = read_file(settings.crl->file);
  CHECK(provider->publish_signed(call(draft), signature).crl == made.crl);
  CHECK(read_file(settings.crl->file) == there);

  // In its place and not in the store: as if it died between the two.
  const Draft second = drafted_crl();
  const auto issuer = x509::parse_certificate(anchor);
  write_file(settings.crl->file,
             ca::assembled_crl(second.to_be_signed, issuer, algorithm, signature_of(second).octets()),
             FileMode::public_0644, Existing::replace);
  const Bytes written = read_file(settings.crl->file);
  IssuedResult same = signature_of(second);
  same.product = IssuedSignature{x509::parse_crl(written).parts.signature};
  CHECK(provider->publish_signed(call(second), same).crl.number == 2);
  CHECK(read_file(settings.crl->file) == written);
  CHECK(store.last_crl(issuer_id(), "")->number == 2);
}

TEST_CASE_METHOD(Place, "a CRL whose signature is somebody else's is not published") {
  const Draft draft = drafted_crl();
  const Bytes other = leaf.sign(draft.to_be_signed, algorithm);
  CHECK(error_of([&] {
          provider->publish_signed(call(draft), {IssuedSignature{other}, other});
        }).kind() == ErrorKind::corrupt);
  CHECK(error_of([&] {
          provider->publish_signed(call(draft), {IssuedSignature{}, Bytes{1}});
        }).kind() == ErrorKind::corrupt);
  CHECK_FALSE(std::filesystem::exists(settings.crl->file));
  CHECK_FALSE(store.last_crl(issuer_id(), ""));
}

TEST_CASE_METHOD(Place, "a CRL never takes the place of a newer one, and what is not the CA's is left alone") {
  const Draft first = drafted_crl();
  const Draft second = drafted_crl();
  provider->publish_signed(call(second), signature_of(second));
  CHECK(says_draft_is_outdated(error_of([&] { provider->check(call(first)); })));
  const Error late = error_of([&] { provider->publish_signed(call(first), signature_of(first)); });
  CHECK(late.kind() == ErrorKind::conflict);
  CHECK(late.message().find("number 2 is out already") != std::string::npos);
  const Draft third = drafted_crl();
  write_file(settings.crl->file, as_bytes("<html>"), FileMode::public_0644, Existing::replace);
  CHECK(error_of([&] { provider->publish_signed(call(third), signature_of(third)); }).kind() == ErrorKind::conflict);
  CHECK(to_text(read_file(settings.crl->file)) == "<html>");
}

TEST_CASE_METHOD(Place,
                 "a CRL that has waited past its end is not handed over, and one that is too long takes no number") {
  const Draft draft = drafted_crl();
  clock.advance(24h * 4);
  CHECK(says_draft_is_outdated(error_of([&] { provider->check(call(draft)); })));
  const SubmitAnswer answer = provider->submit(call(draft));
  REQUIRE(std::holds_alternative<NotAccepted>(answer));
  CHECK(says_draft_is_outdated(std::get<NotAccepted>(answer).error));
  for (int i = 0; i < 2000; ++i) {
    store.revoke({issuer_id(), hex(x509::random_serial()), 4, clock.now(), clock.now() + 24h * 90, "OTHER"});
  }
  const Error error = error_of([&] { drafted_crl(); });
  CHECK(error.kind() == ErrorKind::refused);
  CHECK(error.message().find("a CRL with 2000 revoked has ") == 0);
  CHECK(store.take_crl_number(issuer_id(), 0, clock.now()) == 2);
}

TEST_CASE_METHOD(Place, "the longest CRL that the service signs is drafted, and one entry more takes no number") {
  constexpr std::size_t kLongestNumber = 7;  // octets more than those of a small one
  std::size_t drafts = 0;
  std::size_t longest = 0;
  std::optional<Error> refused;
  const auto revoke = [&] {
    store.revoke({issuer_id(), hex(x509::random_serial()), 4, clock.now(), clock.now() + 24h * 90, "OTHER"});
  };
  for (int i = 0; i < 1'115; ++i) revoke();
  while (!refused) {
    REQUIRE(drafts < 60);
    revoke();
    try {
      longest = drafted_crl().to_be_signed.size();
      ++drafts;
    } catch (const Error& error) {
      refused = error;
    }
  }
  CHECK(refused->kind() == ErrorKind::refused);
  CHECK(drafts > 0);
  const std::size_t entry = longest / (1'115 + drafts);
  CHECK(longest <= service->most_octets());
  CHECK(longest + entry + kLongestNumber > service->most_octets());
  CHECK(store.take_crl_number(issuer_id(), 0, clock.now()) == drafts + 1);
}

TEST_CASE_METHOD(Place, "that a CRL is nearly as long as the service signs is said") {
  const auto publish = [&](int more) {
    for (int i = 0; i < more; ++i) {
      store.revoke({issuer_id(), hex(x509::random_serial()), 4, clock.now(), clock.now() + 24h * 90, "OTHER"});
    }
    const Draft draft = drafted_crl();
    provider->publish_signed(call(draft), signature_of(draft));
    return service::nearly_full(provider->crl_places().front());
  };
  CHECK(service::nearly_full(provider->crl_places().front()).empty());
  CHECK(publish(800).empty());
  const std::string said = publish(200);
  CHECK(said.find(" % of what can be signed at once there") != std::string::npos);
  CHECK(said.find("the CRL has 5") == 0);
}

TEST_CASE_METHOD(Place, "a CRL at the URL that this store knows nothing of keeps the next one from being asked for") {
  const auto foreign = [&](std::uint64_t number) {
    const auto issuer = x509::parse_certificate(anchor);
    const ca::CrlFields fields{number, clock.now(), clock.now() + 24h, {}};
    return net::Response{
        200,
        {},
        to_text(ca::signed_crl(ca::crl_to_be_signed(fields, issuer, algorithm), issuer, key, algorithm, clock.now()))};
  };
  settings.crl->url = "http://ca.example.com/issuing.crl";
  make();
  const Draft draft = drafted_crl();
  provider->publish_signed(call(draft), signature_of(draft));
  const Draft waits = drafted_crl();
  at_url = foreign(7);
  CHECK(error_of([&] { drafted_crl(); }).message().find("gives CRL number 7") != std::string::npos);
  const Error late = error_of([&] { provider->publish_signed(call(waits), signature_of(waits)); });
  CHECK(late.kind() == ErrorKind::conflict);
  CHECK(store.last_crl(issuer_id(), "")->number == 1);
  CHECK(store.take_crl_number(issuer_id(), 0, clock.now()) == 3);
}

TEST_CASE_METHOD(Place, "a CA that was elsewhere certifies nothing before it is taken over") {
  const auto issuer = x509::parse_certificate(anchor);
  const ca::CrlFields fields{41, clock.now(), clock.now() + 24h, {}};
  const Bytes crl =
      ca::signed_crl(ca::crl_to_be_signed(fields, issuer, algorithm), issuer, key, algorithm, clock.now());
  SECTION("its CRL is in the file") {
    write_file(settings.crl->file, crl, FileMode::public_0644, Existing::refuse);
    const Error error = error_of([&] { drafted(); });
    CHECK(error.kind() == ErrorKind::conflict);
    CHECK(error.message().find("holds CRL number 41 of the CA issuing") != std::string::npos);
    CHECK(error.hint().find("hsmbridge ca adopt issuing") != std::string::npos);
  }
  SECTION("its CRL is at the URL") {
    settings.crl->url = "http://ca.example.com/issuing.crl";
    make();
    at_url = net::Response{200, {}, to_text(crl)};
    const Error error = error_of([&] { drafted(); });
    CHECK(error.message().find("the CA issuing was elsewhere before") != std::string::npos);
    CHECK(error.hint().find("hsmbridge ca adopt issuing") != std::string::npos);
  }
  CHECK(store.serials_taken(issuer_id()) == 0);
  // What is not its CRL says nothing of it.
  write_file(settings.crl->file, as_bytes("<html>"), FileMode::public_0644, Existing::replace);
  at_url = net::Response{200, {}, "<html>"};
  CHECK_NOTHROW(drafted());
}

TEST_CASE_METHOD(Place, "a CRL after one of the future is asked for by name alone") {
  const Instant now = clock.now();
  clock.set_wall(now + 24h * 30);
  const Draft first = drafted_crl();
  provider->publish_signed(call(first), signature_of(first));
  clock.set_wall(now);
  const Error error = error_of([&] { drafted_crl(); });
  CHECK(error.kind() == ErrorKind::conflict);
  CHECK(error.hint().find("--clock-was-ahead") != std::string::npos);
  // Of another one than the person was shown it is not.
  order.what = IssueCrl{now + 24h * 29};
  CHECK(error_of([&] { provider->draft(order, {}, clock.now()); }).kind() == ErrorKind::conflict);
  order.what = IssueCrl{now + 24h * 30};
  const ProviderDraft added = provider->draft(order, {}, clock.now());
  CHECK(added.notes.back().find("it follows one of " + rfc3339(now + 24h * 30)) == 0);
  const Draft next = frozen(added, {});
  CHECK(provider->check(call(next)).empty());
  const MadeCrl made = provider->publish_signed(call(next), signature_of(next));
  CHECK(made.crl.number == 2);
  CHECK(made.crl.this_update == now);
  CHECK_FALSE(provider->crl_standing().crls.at(0).overdue);
}

TEST_CASE_METHOD(Place, "a schedule asks for one CRL at a time, and not at once again after people gave it up") {
  settings.crl->every = 24h;
  make();
  const service::Actor worker{"worker:x", "process", {}};
  const config::Settings none;
  const auto due = [&] { return service::request_due_crl(worker, none, *provider, store, "issuing", clock.now()); };
  CHECK_FALSE(due());  // the first one is a person's
  const Draft first = drafted_crl();
  provider->publish_signed(call(first), signature_of(first));
  CHECK_FALSE(due());
  store.revoke({issuer_id(), "1122", 4, clock.now(), clock.now() + 24h * 90, "OTHER"});
  const auto asked = due();
  REQUIRE(asked);
  const auto record = store.find(*asked);
  REQUIRE(record);
  CHECK(record->order.issues_crl());
  CHECK(record->order.max_age == Duration{24h * 4});
  CHECK_FALSE(due());
  service::append_event(store, *asked, CancelAsked{"not today"}, "uid:7", clock.now(), Timing{});
  CHECK_FALSE(due());
  clock.advance(23h);
  CHECK_FALSE(due());
  clock.advance(2h);
  const auto next = due();
  REQUIRE(next);
  CHECK(*next != *asked);
  service::append_event(store, *next, CancelAsked{"not today"}, "uid:7", clock.now(), Timing{});
  // By a clock that is ahead one is asked for, and given up: that holds back nothing once the clock is right.
  const Instant right = clock.now();
  clock.set_wall(right + 24h * 30);
  const auto ahead = due();
  REQUIRE(ahead);
  service::append_event(store, *ahead, CancelAsked{"the clock is wrong"}, "uid:7", clock.now(), Timing{});
  clock.set_wall(right);
  CHECK_FALSE(due());  // the one before was given up a moment ago
  clock.set_wall(right + 25h);
  CHECK(due());
}

TEST_CASE_METHOD(Place, "bytes that were frozen for one key at a service are not handed over for another one") {
  const Draft draft = drafted();
  SECTION("the label is another one by now") {
    settings.key.key = "issuing-2027";
    make();
    const SubmitAnswer answer = provider->submit(call(draft));
    REQUIRE(std::holds_alternative<NotAccepted>(answer));
    CHECK(says_draft_is_outdated(std::get<NotAccepted>(answer).error));
  }
  SECTION("the service has another key under that label by now") {
    service->key = leaf.subject_public_key_info();
    const SubmitAnswer answer = provider->submit(call(draft));
    REQUIRE(std::holds_alternative<NotAccepted>(answer));
    CHECK(std::get<NotAccepted>(answer).error.kind() == ErrorKind::conflict);
  }
  CHECK(service->submitted.empty());
}
