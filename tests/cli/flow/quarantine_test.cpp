// What becomes of a certificate that was issued, paid for, and is not what was asked.
#include "base/file.h"
#include "cli/flow/cloud_bench.h"

#include <catch2/catch.hpp>
#include <string>

namespace hsmbridge::test {
namespace {

// A template that gives three months where one was asked.
std::string quarantined(CloudBench& bench) {
  bench.rig.command(R"(venafi set --knobs '{"validity":"ignored"}')");
  const auto ordered = bench.enroll();
  INFO(ordered.out << ordered.err);
  CHECK(ordered.status == 6);
  CHECK(says(ordered, "FATAL validity-longer"));
  const auto id = Bench::id_in(ordered);
  CHECK(says(ordered, "next: hsmbridge request resolve " + id + " --accept validity-longer --reason TEXT"));
  return id;
}

std::string state_of(CloudBench& bench, const std::string& id) {
  return bench.cli.run({"--json", "request", "show", id}).json().at("state").as_string();
}

unsigned certificates_in_token(CloudBench& bench) {
  const auto listed = bench.cli.pkcs11_tool("web", {"--list-objects", "--type", "cert"}).out;
  return listed.find("Certificate Object") == std::string::npos ? 0 : 1;
}

}  // namespace

TEST_CASE("a named person accepts a quarantined certificate with a reason, and it is used without a second order") {
  CloudBench bench;
  const auto id = quarantined(bench);
  CHECK(bench.cli.run({"request", "wait", id, "--timeout", "5s"}).status == 6);
  CHECK(says(bench.cli.run({"request", "list", "--open"}), id));

  // Typed again, the same order goes on with it instead of being another one.
  const auto again = bench.enroll();
  CHECK(again.status == 6);
  CHECK(Bench::id_in(again) == id);

  CHECK(bench.cli.run({"request", "resolve", id, "--accept", "validity-longer"}).status == 2);
  const auto never = bench.cli.run({"request", "resolve", id, "--accept", "key-differs", "--reason", "x"});
  CHECK(never.status == 4);
  CHECK(says(never, "key-differs can never be accepted"));
  const auto unknown = bench.cli.run({"request", "resolve", id, "--accept", "subject-changed", "--reason", "x"});
  CHECK(unknown.status == 1);
  CHECK(says(unknown, "its certificate has no finding called subject-changed"));
  CHECK(state_of(bench, id) == "Quarantined");

  const auto taken =
      bench.cli.run({"request", "resolve", id, "--accept", "validity-longer", "--reason", "three are fine"});
  INFO(taken.out << taken.err);
  CHECK(taken.status == 3);
  const auto done = bench.cli.run({"request", "wait", id, "--timeout", "30s"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  CHECK(certificates_in_token(bench) == 1);
  CHECK(bench.orders() == 1);
  const auto history = bench.cli.run({"request", "history", id});
  CHECK(says(history, "validity-longer: three are fine"));
  CHECK(says(history, "DeviationsAccepted"));
  CHECK(says(bench.cli.run({"cert", "list"}), "current"));
  CHECK(says(bench.cli.run({"request", "list", "--open"}), "no requests"));
}

TEST_CASE("a quarantined certificate is judged again by what its profile accepts now") {
  CloudBench bench;
  const auto id = quarantined(bench);
  bench.cli.run({"request", "resolve", id, "--judge-again"});
  CHECK(bench.cli.run({"request", "wait", id, "--timeout", "30s"}).status == 6);
  bench.configure("Default", bench.key_of_ops(), "", "    accept: [validity-longer]\n");
  CHECK(bench.cli.run({"request", "resolve", id, "--judge-again"}).status == 3);
  CHECK(bench.cli.run({"request", "wait", id, "--timeout", "30s"}).status == 0);
  CHECK(certificates_in_token(bench) == 1);
  CHECK(bench.orders() == 1);
}

TEST_CASE("a certificate that found no anchor is judged again once the anchors file is corrected") {
  CloudBench bench;
  // The root of the service's own TLS certificate is none of the certificates that it issues.
  bench.configure("Default", bench.key_of_ops(), "", "", bench.rig.about().at("ca").as_string());
  const auto ordered = bench.enroll();
  INFO(ordered.out << ordered.err);
  REQUIRE(ordered.status == 6);
  const auto id = Bench::id_in(ordered);
  CHECK(says(bench.cli.run({"request", "explain", id}), "It can never be used with: chain-unanchored."));
  CHECK(says(bench.cli.run({"request", "explain", id}), "request resolve " + id + " --judge-again"));
  bench.configure("Default", bench.key_of_ops());
  CHECK(bench.cli.run({"request", "resolve", id, "--judge-again"}).status == 3);
  const auto done = bench.cli.run({"request", "wait", id, "--timeout", "30s"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  CHECK(bench.orders() == 1);
}

TEST_CASE("a quarantined certificate can be revoked, and is not taken into use afterwards") {
  CloudBench bench;
  const auto id = quarantined(bench);
  const auto sha = bench.cli.run({"--json", "request", "show", id}).json().at("certificate").at("sha256").as_string();
  const auto revoked =
      bench.cli.run({"cert", "revoke", sha, "--reason", "superseded", "--yes", "--wait", "--timeout", "30s"});
  INFO(revoked.out << revoked.err);
  CHECK(revoked.status == 0);
  const auto refused = bench.cli.run({"request", "resolve", id, "--accept", "validity-longer", "--reason", "x"});
  CHECK(refused.status == 1);
  CHECK(says(refused, "is revoked: it is not taken into use"));
  CHECK(bench.cli.run({"request", "resolve", id, "--abandon", "--reason", "revoked"}).status == 0);
  CHECK(state_of(bench, id) == "Abandoned");
}

TEST_CASE("a person brings a better certificate for a quarantined request") {
  CloudBench bench;
  bench.configure("Default", bench.key_of_ops(), "", "", bench.rig.about().at("ca").as_string());
  const auto ordered = bench.enroll();
  REQUIRE(ordered.status == 6);
  const auto id = Bench::id_in(ordered);
  const auto exported = bench.cli.run({"cert", "export", id});
  INFO(exported.out << exported.err);
  REQUIRE(exported.status == 0);
  const auto file = bench.cli.write("brought.pem", exported.out);
  bench.configure("Default", bench.key_of_ops());
  const auto brought = bench.cli.run({"request", "resolve", id, "--certificate", file.string()});
  INFO(brought.out << brought.err);
  CHECK(brought.status == 3);
  CHECK(bench.cli.run({"request", "wait", id, "--timeout", "30s"}).status == 0);
  CHECK(bench.orders() == 1);
}

}  // namespace hsmbridge::test
