// What goes wrong before anything is sent, and what a person is told of what is tried again.
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "service/effects/effects.h"
#include "service/effects/install.h"
#include "service/requests/requests.h"
#include "store/sqlite_store.h"
#include "support/fake_clock.h"
#include "support/memory/memory_store.h"
#include "support/requests.h"
#include "support/temp_folder.h"
#include "x509/content/requested_content.h"
#include "x509/judge/weak_key_list.h"
#include "x509/objects/pem.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;

namespace {

class BrokenWorld : public service::Dependencies {
 public:
  std::shared_ptr<Provider> provider(const std::string&) override {
    throw Error{ErrorKind::unavailable, "its API key file is gone"};
  }
  std::shared_ptr<Token> token(const std::string&) override { throw Error{ErrorKind::unavailable, "no token"}; }
  std::vector<Bytes> anchors(const Order&) override { return {}; }
  Records& records() override { return store; }
  Revocations& revocations() override { return store; }
  const x509::WeakKeyList& weak_keys() override { return weak_keys_; }
  std::vector<std::string> hook_of(const std::string&) override { return hook; }
  service::ReleaseTerms release_terms(const Order&) override { return {}; }
  const Clock& clock() const override { return time; }
  // A record "ff" of this status.
  void store_ff(const std::string& status = "current") {
    CertificateRecord record;
    record.fingerprint = "ff";
    record.der = {0x30, 0x00};
    record.status = status;
    store.put(record);
  }
  FakeClock time;
  MemoryStore store{time};
  std::vector<std::string> hook;  // of every profile

 private:
  x509::WeakKeyList weak_keys_;
};

// Its provider takes as long to be made as the test says, and counts what is submitted to it.
class SlowWorld final : public BrokenWorld {
 public:
  class Counting final : public Provider {
   public:
    std::string_view type() const override { return "counting"; }
    Capabilities capabilities() const override { return {}; }
    ProviderDraft draft(const Order&, ByteView, Instant) override { return {}; }
    std::vector<std::string> check(const ProviderCall&) override { return {}; }
    SubmitAnswer submit(const ProviderCall& call) override {
      ++submitted;
      last_limit = call.time_limit;
      last_until = call.call_until;
      return answer;
    }
    LookUpAnswer look_up(const ProviderCall&) override {
      return report ? LookUpAnswer{Found{*report}} : LookUpAnswer{Absent{}};
    }
    Report poll(const ProviderCall&) override { return report.value_or(Report{}); }
    Report retrieve(const ProviderCall&) override { return report.value_or(Report{}); }
    std::optional<Duration> server_ahead() const override { return ahead; }
    CancelAnswer cancel(const ProviderCall&) override { return CancelNotPossible{}; }
    Issued certificate_in(const ProviderCall&, const IssuedResult&) const override { return {}; }
    void confirm(const ProviderCall&, const Issued&) override {}
    std::vector<std::string> test() override { return {}; }
    int submitted = 0;
    Duration last_limit{};
    std::optional<Duration> last_until;
    SubmitAnswer answer = OutcomeUnknown{"played"};
    std::optional<Report> report;
    std::optional<Duration> ahead;
  };
  std::shared_ptr<Provider> provider(const std::string&) override {
    time.advance(takes);
    return counting;
  }
  std::shared_ptr<Counting> counting = std::make_shared<Counting>();
  Duration takes{};
};

class Beside final : public Token {
 public:
  Key ensure_key(const KeyWish&) override { return {}; }
  std::unique_ptr<x509::Signer> signer(const Key&, Purpose) override { return nullptr; }
  void put_certificate(const Key&, ByteView, const std::vector<Bytes>& replaces) override { told = replaces; }
  std::vector<Bytes> told;
};

// Its store holds what the test puts there.
class Lineage final : public BrokenWorld {
 public:
  std::shared_ptr<Token> token(const std::string&) override { return beside; }
  std::shared_ptr<Beside> beside = std::make_shared<Beside>();
};

}  // namespace

TEST_CASE("a result is kept with how far the provider's clock was from ours when it came") {
  SlowWorld world;
  world.counting->ahead = std::chrono::hours{2};
  world.counting->report = Report{};
  world.counting->report->status = RequestStatus::handed_out;
  world.counting->report->result = IssuedResult{IssuedCertificate{{1}}, {2}};
  service::Effects effects(world);
  const auto clock_of = [&](const State& state, EffectName effect) {
    Claim claim;
    claim.record.state = state;
    claim.effect = {effect, {}, 1, ""};
    const EffectOutcome outcome = effects.run(claim, Instant{}, std::chrono::seconds{1});
    REQUIRE(outcome.event);
    const auto* received = std::get_if<ResultReceived>(&*outcome.event);
    REQUIRE(received != nullptr);
    return received->result.clock_ahead;
  };
  CHECK(clock_of(LookingUp{}, EffectName::look_up) == std::chrono::hours{2});
  CHECK(clock_of(AwaitingApproval{}, EffectName::poll) == std::chrono::hours{2});
  CHECK(clock_of(Retrieving{}, EffectName::retrieve) == std::chrono::hours{2});
}

TEST_CASE("a provider that sent nothing because the draft is outdated is believed about the draft") {
  SlowWorld world;
  service::Effects effects(world);
  Claim claim;
  claim.record.state = Submitting{{}, 2, Submitting::Phase::started, {}, {}, {}};
  claim.effect = {EffectName::submit, {}, 2, ""};
  const auto outdated = [&](Error error) {
    world.counting->answer = NotAccepted{std::move(error), std::nullopt};
    return std::get<SubmissionNotAccepted>(effects.run(claim, Instant{}, std::chrono::seconds{1}).event.value())
        .outdated;
  };
  CHECK(outdated(outdated_draft("it waited too long")));
  CHECK_FALSE(outdated(Error{ErrorKind::conflict, "something else"}));
}

TEST_CASE("a provider that cannot be used now was sent nothing") {
  BrokenWorld world;
  service::Effects effects(world);
  Claim claim;
  claim.record.state = Submitting{{}, 3, Submitting::Phase::started, {}, {}, {}};
  claim.effect = {EffectName::submit, {}, 3, ""};
  const EffectOutcome outcome = effects.run(claim, Instant{}, std::chrono::seconds{1});
  REQUIRE(outcome.event);
  const auto* answer = std::get_if<SubmissionNotAccepted>(&*outcome.event);
  REQUIRE(answer != nullptr);
  CHECK(answer->attempt == 3);
  CHECK(answer->problem.kind == "unavailable");
}

TEST_CASE("a process that cannot use a token or a provider fails no request") {
  class Unconfigured final : public BrokenWorld {
   public:
    explicit Unconfigured(ErrorKind kind) : kind_(kind) {}
    std::shared_ptr<Provider> provider(const std::string&) override { throw Error{kind_, "no such provider"}; }
    std::shared_ptr<Token> token(const std::string&) override { throw Error{kind_, "no such token"}; }

   private:
    ErrorKind kind_;
  };
  const PreparedRequest prepared{key_of_test(), draft_of_test(Instant{}), 0};
  for (const ErrorKind kind : {ErrorKind::not_found, ErrorKind::denied, ErrorKind::invalid_input}) {
    Unconfigured world(kind);
    service::Effects effects(world);
    for (const auto& [name, state] : std::vector<std::pair<EffectName, State>>{
             {EffectName::ensure_key, Preparing{}},
             {EffectName::sign_csr, Preparing{prepared.key, {}, 0, ""}},
             {EffectName::build_draft, Preparing{prepared.key, prepared.draft.csr, 0, ""}},
             {EffectName::check_draft, Prepared{prepared}}}) {
      Claim claim;
      claim.record.order = order_of("0A1B2C3D4E5F6G7H", Instant{});
      test::wanted(claim.record.order).content = {};
      claim.record.state = state;
      claim.effect = {name, {}, 0, ""};
      INFO(to_string(name));
      try {
        effects.run(claim, Instant{}, std::chrono::seconds{1});
        FAIL("it became an event");
      } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::unavailable);
        CHECK(error.message().find("no such") != std::string::npos);
      }
    }
  }
}

TEST_CASE("what a provider fails with while it is asked about a draft ends no request unless it refuses the request") {
  class Asked final : public BrokenWorld {
   public:
    class Thrower final : public Provider {
     public:
      std::string_view type() const override { return "thrower"; }
      Capabilities capabilities() const override { return {}; }
      ProviderDraft draft(const Order&, ByteView, Instant) override { throw Error(*error); }
      std::vector<std::string> check(const ProviderCall&) override { throw Error(*error); }
      SubmitAnswer submit(const ProviderCall&) override { return OutcomeUnknown{"played"}; }
      LookUpAnswer look_up(const ProviderCall&) override { return Absent{}; }
      Report poll(const ProviderCall&) override { return {}; }
      Report retrieve(const ProviderCall&) override { return {}; }
      CancelAnswer cancel(const ProviderCall&) override { return CancelNotPossible{}; }
      Issued certificate_in(const ProviderCall&, const IssuedResult&) const override { return {}; }
      void confirm(const ProviderCall&, const Issued&) override {}
      std::vector<std::string> test() override { return {}; }
      std::optional<Error> error;
    };
    std::shared_ptr<Provider> provider(const std::string&) override { return thrower; }
    std::shared_ptr<Thrower> thrower = std::make_shared<Thrower>();
  };
  Asked world;
  service::Effects effects(world);
  const PreparedRequest prepared{key_of_test(), draft_of_test(Instant{}), 0};
  const auto outcome_of = [&](EffectName name, Error error) -> std::optional<EventBody> {
    world.thrower->error = std::move(error);
    Claim claim;
    claim.record.order = order_of("0A1B2C3D4E5F6G7H", Instant{});
    test::wanted(claim.record.order).content = {};
    claim.record.state = name == EffectName::build_draft ? State{Preparing{prepared.key, prepared.draft.csr, 0, ""}}
                                                         : State{Prepared{prepared}};
    claim.effect = {name, {}, 0, ""};
    try {
      return effects.run(claim, Instant{std::chrono::hours{1}}, std::chrono::seconds{1}).event;
    } catch (const Error&) {
      return std::nullopt;  // tried again
    }
  };
  for (const EffectName name : {EffectName::build_draft, EffectName::check_draft}) {
    INFO(to_string(name));
    CHECK_FALSE(outcome_of(name, Error{ErrorKind::invalid_input, "the zone is not known: correct `zone`"}));
    CHECK_FALSE(outcome_of(name, Error{ErrorKind::conflict, "another key has that name there"}));
    CHECK_FALSE(outcome_of(name, Error{ErrorKind::refused, "the service says no to a question"}.with("http", "422")));
    CHECK(outcome_of(name, Error{ErrorKind::refused, "it cannot carry a wildcard"}));
  }
  const auto again = outcome_of(EffectName::check_draft,
                                Error{ErrorKind::conflict, "the issuer has another key now"}.with("draft", "outdated"));
  REQUIRE(again);
  const auto* old = std::get_if<DraftTooOld>(&*again);
  REQUIRE(old != nullptr);
  CHECK(old->why == "the issuer has another key now");
}

TEST_CASE("no two runs of a hook have the same attempt, whatever ended the ones before") {
  BrokenWorld world;
  world.store_ff();
  service::Effects effects(world);
  // Three runs failed and were journalled; two more were stopped, or died with their process.
  const auto run = [&](const std::string& command) {
    world.hook = {"sh", "-c", command};
    const std::string hook = "hook:" + Json(world.hook).dump();
    Claim claim;
    claim.record.order = order_of("0A1B2C3D4E5F6G7H", Instant{});
    claim.record.state = Installing{{key_of_test(), draft_of_test(Instant{}), 1},
                                    "ff",
                                    {TargetState{service::install_target(hook), TargetState::Stage::failed, 3, "no"}},
                                    {}};
    claim.effect = {EffectName::install, {}, 0, hook};
    claim.failures = 2;
    return effects.run(claim, Instant{}, std::chrono::seconds{20}).event.value();
  };
  CHECK(std::holds_alternative<TargetInstalled>(run("test $HSMBRIDGE_ATTEMPT = 6")));
  const auto failed = run("exit 1");
  REQUIRE(std::holds_alternative<TargetFailed>(failed));
  CHECK(std::get<TargetFailed>(failed).attempt == 6);
}

TEST_CASE("a program that only the order names is not run") {
  const TempFolder folder;
  BrokenWorld world;
  world.store_ff();
  service::Effects effects(world);
  const auto run = [&](const std::vector<std::string>& argv) {
    const std::string hook = "hook:" + Json(argv).dump();
    Claim claim;
    claim.record.order = order_of("0A1B2C3D4E5F6G7H", Instant{});
    claim.record.state = Installing{{key_of_test(), draft_of_test(Instant{}), 1},
                                    "ff",
                                    {TargetState{service::install_target(hook), TargetState::Stage::waiting, 0, ""}},
                                    {}};
    claim.effect = {EffectName::install, {}, 0, hook};
    return effects.run(claim, Instant{}, std::chrono::seconds{20}).event.value();
  };
  const std::vector<std::string> own{"sh", "-c", "exit 0"};
  const std::vector<std::string> foreign{"sh", "-c", "touch " + (folder / "ran").string()};
  for (const auto& configured : {std::vector<std::string>{}, own}) {
    world.hook = configured;
    const auto event = run(foreign);
    REQUIRE(std::holds_alternative<TargetFailed>(event));
    CHECK(std::get<TargetFailed>(event).problem.message.find("does not name this program") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(folder / "ran"));
  }
  CHECK(std::holds_alternative<TargetInstalled>(run(own)));
}

TEST_CASE("a place where a newer certificate was put is not given the older one back") {
  BrokenWorld world;
  service::Effects effects(world);
  const std::string hook = R"(hook:["false"])";
  world.store_ff();
  CertificateRecord newer;
  newer.fingerprint = "fa";
  newer.predecessor = "ff";
  newer.installed = {hook};
  world.store.put(newer);
  Claim claim;
  claim.record.order = order_of("0A1B2C3D4E5F6G7H", Instant{});
  claim.record.state = Installing{{key_of_test(), draft_of_test(Instant{}), 1},
                                  "ff",
                                  {TargetState{service::install_target(hook), TargetState::Stage::failed, 3, "no"}},
                                  {}};
  claim.effect = {EffectName::install, {}, 0, hook};
  const auto event = effects.run(claim, Instant{}, std::chrono::seconds{20}).event.value();
  REQUIRE(std::holds_alternative<TargetSkipped>(event));
  CHECK(std::get<TargetSkipped>(event).target == hook);
}

TEST_CASE("a certificate that is revoked while a place is waited for does not go there") {
  BrokenWorld world;
  world.hook = {"true"};
  service::Effects effects(world);
  const std::string hook = R"(hook:["true"])";
  const auto run = [&](const std::string& status) {
    world.store_ff(status);
    Claim claim;
    claim.record.order = order_of("0A1B2C3D4E5F6G7H", Instant{});
    claim.record.state = Installing{{key_of_test(), draft_of_test(Instant{}), 1},
                                    "ff",
                                    {TargetState{service::install_target(hook), TargetState::Stage::failed, 3, "no"}},
                                    {}};
    claim.effect = {EffectName::install, {}, 0, hook};
    return effects.run(claim, Instant{}, std::chrono::seconds{20}).event.value();
  };
  for (const char* unfit : {"revoking", "revoked", "held", "quarantined"}) {
    const auto event = run(unfit);
    REQUIRE(std::holds_alternative<TargetSkipped>(event));
    CHECK(std::get<TargetSkipped>(event).reason == "certificate ff is " + std::string(unfit) + ": it is not installed");
  }
  CHECK(std::holds_alternative<TargetInstalled>(run("current")));
}

TEST_CASE("a token is told to remove what the certificate renews and nothing else") {
  Lineage world;
  const auto add = [&world](const std::string& fingerprint, const std::string& predecessor) {
    CertificateRecord record;
    record.fingerprint = fingerprint;
    record.der = to_bytes("der of " + fingerprint);
    record.predecessor = predecessor;
    world.store.put(record);
    return record;
  };
  auto first = add("aa", "");
  const auto second = add("bb", "aa");
  const auto third = add("cc", "bb");
  add("dd", "");
  const Order order = order_of("0A1B2C3D4E5F6G7H", Instant{});
  const Key key = key_of_test();
  const Draft draft;
  const auto told_for = [&](const CertificateRecord& record, const std::string& target) {
    service::install_certificate(world, {order, key, draft}, service::install_target(target), record, Instant{},
                                 std::chrono::seconds{1});
    return world.beside->told;
  };
  CHECK(told_for(first, "token").empty());
  CHECK(told_for(third, "token") == std::vector<Bytes>{second.der, first.der});
  CHECK(told_for(third, "token:keep").empty());
  // A damaged store whose records go round in a circle is left too.
  first.predecessor = "cc";
  world.store.put(first);
  CHECK(told_for(third, "token").size() <= 100);
}

TEST_CASE("a file takes the place of a certificate of the same lineage or one that is over, and of no other") {
  TempFolder folder;
  const auto path = folder / "web.pem";
  const auto read = [](const std::string& name) {
    return x509::read_certificate(read_file(HSMBRIDGE_TEST_DATA "/x509/" + name));
  };
  CertificateRecord there;
  there.der = read("two.pem");
  there.fingerprint = hex(sha256(there.der));
  there.status = "current";
  CertificateRecord fresh;
  fresh.der = read("one.pem");
  fresh.fingerprint = hex(sha256(fresh.der));
  fresh.status = "current";
  CertificateRecord between;
  between.fingerprint = "bb";
  between.status = "current";
  const Order order = order_of("0A1B2C3D4E5F6G7H", Instant{});
  const Key key = key_of_test();
  const Draft draft;
  const auto replaced = [&] {
    write_file(path, as_bytes(x509::certificate_to_pem(there.der)), FileMode::public_0644, Existing::replace);
    Lineage world;
    for (const auto& record : {there, between, fresh}) world.store.put(record);
    try {
      service::install_certificate(world, {order, key, draft}, service::install_target("file:leaf:" + path.string()),
                                   fresh, Instant{}, std::chrono::seconds{1});
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::conflict);
      CHECK(error.message().find("is in use") != std::string::npos);
    }
    return to_text(read_file(path)) == x509::certificate_to_pem(fresh.der);
  };
  CHECK_FALSE(replaced());
  for (const char* open : {"held", "revoking", "late"}) {
    there.status = open;
    CHECK_FALSE(replaced());
  }
  for (const char* over : {"superseded", "expired", "revoked"}) {
    there.status = over;
    CHECK(replaced());
  }
  there.status = "current";
  SECTION("one that it renews, over another") {
    fresh.predecessor = between.fingerprint;
    CHECK_FALSE(replaced());
    between.predecessor = there.fingerprint;
    CHECK(replaced());
  }
  SECTION("one that renews it") {
    there.predecessor = between.fingerprint;
    between.predecessor = fresh.fingerprint;
    CHECK(replaced());
  }
}

TEST_CASE("a submission is not begun past its journalled deadline however long its provider took to be made") {
  SlowWorld world;
  const store::BootClock lease_clock(world.time);
  service::Effects effects(world);
  Claim claim;
  claim.record.state = Submitting{{}, 1, Submitting::Phase::started, {}, {}, {}};
  claim.effect = {EffectName::submit, {}, 1, ""};
  claim.call_until = Deadline(lease_clock, std::chrono::seconds{60});
  world.takes = std::chrono::seconds{60};
  const EffectOutcome late = effects.run(claim, Instant{}, std::chrono::seconds{60});
  CHECK(std::holds_alternative<SubmissionNotAccepted>(late.event.value()));
  CHECK(world.counting->submitted == 0);

  world.takes = std::chrono::seconds{20};
  claim.call_until = Deadline(lease_clock, std::chrono::seconds{60});
  effects.run(claim, Instant{}, std::chrono::seconds{60});
  CHECK(world.counting->submitted == 1);
  CHECK(world.counting->last_limit == std::chrono::seconds{40});
  CHECK(world.counting->last_until == world.time.since_boot() + claim.call_until->left());
}

TEST_CASE("what is tried again and again says why") {
  TempFolder folder;
  FakeClock clock;
  const auto store = store::SqliteStore::open(folder / "store.db", clock);
  const Order order = order_of("0A1B2C3D4E5F6G7H", clock.now());
  create(*store, order);
  ClaimQuery query{"w", {{"token:web", 1}}, std::chrono::seconds{60}, {}, {}};
  const Claim claim = store->claim(query, clock.now()).at(0);
  query.give_back = {{claim.effect_id, clock.now() + std::chrono::hours{1}, "no token is there"}};
  store->claim(query, clock.now());
  const auto view = service::view_request(*store, order.id, clock.now());
  CHECK(view.explanation.what_happened.find("'ensure_key' did not succeed (1 in a row): no token is there.") !=
        std::string::npos);
}

TEST_CASE("a preparation ends only for what no later attempt can change, and everything else waits") {
  struct Row {
    ErrorKind kind;
    bool ends;
    bool ends_as_said_by_a_token;
  };
  const std::vector<Row> rows{
      {ErrorKind::invalid_input, true, true},  // no such algorithm
      {ErrorKind::conflict, true, false},      // the label is another key's; or somebody is logged in there
      {ErrorKind::refused, true, false},       // policy; or nobody touched the card
      {ErrorKind::not_found, false, false},       {ErrorKind::ambiguous, false, false},
      {ErrorKind::denied, false, false},          {ErrorKind::unavailable, false, false},
      {ErrorKind::outcome_unknown, false, false}, {ErrorKind::corrupt, false, false},
      {ErrorKind::internal, false, false},
  };
  for (const auto& row : rows) {
    INFO(to_string(row.kind));
    // A provider that is asked about a draft refuses it in so many words.
    for (const EffectName effect : {EffectName::build_draft, EffectName::check_draft}) {
      const bool ends = service::consequence_of(effect, Error{row.kind, "x"}) == service::Retry::give_up;
      CHECK(ends == (row.kind == ErrorKind::refused));
    }
    for (const EffectName effect : {EffectName::ensure_key, EffectName::sign_csr}) {
      const bool ends = service::consequence_of(effect, Error{row.kind, "x"}) == service::Retry::give_up;
      CHECK(ends == row.ends);
      const Error of_token = Error{row.kind, "x"}.with("ckr", "CKR_FUNCTION_REJECTED");
      const bool ends_there = service::consequence_of(effect, of_token) == service::Retry::give_up;
      CHECK(ends_there == row.ends_as_said_by_a_token);
    }
    // A target that fails is written down; it ends nothing.
    const bool written = service::consequence_of(EffectName::install, Error{row.kind, "x"}) == service::Retry::give_up;
    CHECK(written == (row.kind != ErrorKind::unavailable && row.kind != ErrorKind::outcome_unknown));
  }
}

TEST_CASE("whoever asks about a request of a store that is an older copy reads that it is held back") {
  TempFolder folder;
  FakeClock clock;
  const auto open = [&] { return store::SqliteStore::open(folder / "store.db", clock); };
  const Order order = order_of("0A1B2C3D4E5F6G7H", clock.now());
  create_ready_to_submit(*open(), order);
  std::filesystem::remove(folder / "store.db.head");
  auto store = open();
  REQUIRE(store->restored());
  const auto explanation = service::view_request(*store, order.id, clock.now()).explanation;
  CHECK(explanation.next.starts_with("Nothing: 'submit:1' is held back: the store is an older copy ("));
  CHECK(explanation.next.find("store accept-restored") != std::string::npos);
  CHECK(explanation.what_happened.find("did not succeed") == std::string::npos);
  REQUIRE(store->accept_restored("uid:ann", clock.now()));
  CHECK(service::view_request(*store, order.id, clock.now()).explanation.next.find("held back") == std::string::npos);
}
