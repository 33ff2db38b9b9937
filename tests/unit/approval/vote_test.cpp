#include "approval/vote.h"

#include "base/error.h"
#include "base/json.h"
#include "support/software_signer.h"
#include "x509/objects/spki.h"

#include <catch2/catch.hpp>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::approval;
using namespace std::chrono_literals;

namespace {

Vote vote() {
  return {{"570e", "real", "0A1B2C3D4E5F6G7H", "enroll", 1, "", "d1", "p1", "o1"},
          "alice",
          Decision::approved,
          "as \"agreed\"\non Monday, \xe2\x82\xac 5\x1f",
          parse_rfc3339("2026-11-23T12:00:00Z"),
          parse_rfc3339("2026-11-30T12:00:00Z"),
          "000102030405060708090a0b0c0d0e0f"};
}

SignedVote signed_by(test::SoftwareSigner& signer, const Vote& of) {
  const auto& algorithm = x509::default_algorithm(signer.spec());
  return {of, signer.subject_public_key_info(), std::string(algorithm.name), signer.sign(to_be_signed(of), algorithm)};
}

std::string why_unread(const Json& json) {
  try {
    read_vote(json.dump());
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::invalid_input);
    return error.message();
  }
  return "read";
}

}  // namespace

// json.dumps(vote, sort_keys=True, separators=(",", ":"), ensure_ascii=False) of Python 3.11, and hashlib.
TEST_CASE("what is signed is the prefix and the canonical JSON of the vote") {
  CHECK(
      to_text(to_be_signed(vote())) ==
      "hsmbridge-approval-v1\n"
      R"({"approved_at":"2026-11-23T12:00:00Z","decision":"approved","draft_sha256":"d1","environment":"real",)"
      R"("issuer_spki_sha256":"","kind":"enroll","nonce":"000102030405060708090a0b0c0d0e0f","order_sha256":"o1","person":"alice",)"
      "\"policy_sha256\":\"p1\",\"reason\":\"as \\\"agreed\\\"\\non Monday, \xe2\x82\xac 5\\u001f\",\"request\":"
      R"("0A1B2C3D4E5F6G7H","round":1,"store":"570e","valid_until":"2026-11-30T12:00:00Z"})");
  CHECK(hex(sha256(to_be_signed(vote()))) == "20560eb1a9d903b0e5aff97332676fcad6ae3dd3fb80a51a1b6f933c84bc56f9");
  const Policy policy{{{"", 0s, 24h, {{"ops", 1, {{"anna", SpkiHash("aa")}}}}}}};
  CHECK(policy_digest(policy) == "7fc28aecdad68dd8eaaa50d214a9c28101e3cf9624b3ea75dd3ebe8519848504");
}

TEST_CASE("a vote is signed with every kind of key and read back") {
  for (const char* kind : {"ed25519", "ec:P-256", "ec:P-384", "rsa:2048"}) {
    INFO(kind);
    test::SoftwareSigner signer(kind);
    const SignedVote made = signed_by(signer, vote());
    const SignedVote back = read_vote(to_text(made));
    CHECK(to_be_signed(back.vote) == to_be_signed(made.vote));
    const Policy policy{{{"", 0s, 0s, {{"", 1, {{"alice", x509::spki_hash(made.key)}}}}}}};
    CHECK(fault_of(back, vote().question, policy).empty());
    SignedVote changed = back;
    changed.vote.decision = Decision::rejected;
    CHECK(fault_of(changed, vote().question, policy) == "the signature of alice does not verify");
  }
}

TEST_CASE("a vote with a member too many or too few, or of another form, is not read") {
  test::SoftwareSigner signer("ed25519");
  const Json good = Json::parse(to_text(signed_by(signer, vote())));
  REQUIRE(why_unread(good) == "read");
  Json more = good;
  CHECK(why_unread(more.set("note", "hello")).find("unknown member 'note'") != std::string::npos);
  for (const auto& [name, value] : good.at("approval").as_object()) {
    Json::Object rest;
    for (const auto& member : good.at("approval").as_object()) {
      if (member.first != name) rest.push_back(member);
    }
    Json fewer = good;
    CHECK(why_unread(fewer.set("approval", Json(rest))).find("'" + name + "' is missing") != std::string::npos);
  }
  const auto with = [&good](const char* name, Json value) {
    Json inner = good.at("approval");
    Json outer = good;
    return outer.set("approval", inner.set(name, std::move(value)));
  };
  CHECK(why_unread(with("urgent", true)).find("unknown member 'urgent'") != std::string::npos);
  CHECK(why_unread(with("decision", "maybe")) == "'maybe' is not a decision");
  CHECK(why_unread(with("round", 0)) == "0 is not a round of approvals");
  CHECK(why_unread(with("round", "1")) != "read");
  CHECK(why_unread(with("nonce", "00")) == "the nonce of a vote has 32 hex digits");
  CHECK(why_unread(with("approved_at", "Monday")) != "read");
  CHECK_THROWS_AS(read_vote(std::string(20'000, ' ')), Error);
  CHECK_THROWS_AS(read_vote("[]"), Error);
}

TEST_CASE("a reason that is too long, or not UTF-8, is not signed") {
  Vote one = vote();
  one.reason = std::string(1000, 'x');
  CHECK_NOTHROW(to_be_signed(one));
  one.reason += 'x';
  CHECK_THROWS_AS(to_be_signed(one), Error);
  one.reason = "\xff";
  CHECK_THROWS_AS(to_be_signed(one), Error);
}
