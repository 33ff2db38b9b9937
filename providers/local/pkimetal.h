#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "ca/linters/linter.h"
#include "providers/api_client.h"
#include "providers/connection.h"

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

// pkimetal (https://github.com/pkimetal/pkimetal, doc/REST_API.md): a service that asks several linters at once, and
// takes the bytes to be signed themselves.
namespace hsmbridge::local {

struct PkimetalSettings {
  providers::Connection connection;  // a Unix socket, or https
  std::string profile = "autodetect";
  std::string crl_profile = "autodetect";
};

// A row of GET /linters.
struct PkimetalBackend {
  std::string name;
  std::string version;
  bool runs = false;  // it has instances

  bool operator==(const PkimetalBackend&) const = default;
};

// A rule is "pkimetal/zlint/e_sub_cert_aia_missing"; "notice" and below are left out.
class Pkimetal final : public ca::Linter {
 public:
  // Nothing is read or loaded before the first call. The clock must outlive it. `limit` for each thing that is asked.
  Pkimetal(PkimetalSettings settings, const Clock& clock, Duration limit);
  // Over another transport, for tests.
  Pkimetal(PkimetalSettings settings, std::shared_ptr<net::Transport> transport, const Clock& clock, Duration limit);

  bool reads(ca::Artefact) const override { return true; }
  std::string said_by(ca::Artefact artefact) override;
  std::vector<ca::LintFinding> lint(ca::Artefact artefact, ByteView to_be_signed) override;

 private:
  providers::ApiClient& client();
  // The body of a complete success.
  std::string told(net::Request request, Duration limit);
  std::vector<PkimetalBackend> backends(Duration limit);
  const std::string& profile(ca::Artefact artefact) const {
    return artefact == ca::Artefact::certificate ? settings_.profile : settings_.crl_profile;
  }
  // The whole answer about it.
  std::string asked(ca::Artefact artefact, ByteView to_be_signed, Duration limit);
  // Its own version, which it tells with a verdict alone.
  std::string version(const std::vector<PkimetalBackend>& backends, Duration limit);
  void learnt(const std::vector<PkimetalBackend>& backends, std::string version);

  const PkimetalSettings settings_;
  const Clock& clock_;
  const Duration limit_;
  std::mutex mutex_;  // of what is below
  std::shared_ptr<net::Transport> transport_;
  std::unique_ptr<providers::ApiClient> client_;
  std::string version_;                    // "" before its first verdict
  std::vector<PkimetalBackend> backends_;  // those that it was learnt with
};

// Throws unavailable where it is no list of linters.
std::vector<PkimetalBackend> pkimetal_backends(std::string_view answer);

struct PkimetalVerdict {
  std::string version;  // "v1.36.0"
  std::vector<ca::LintFinding> findings;
};
// The verdict in an answer: for tests of what it might say. Each linter that runs must have said that it was done, or
// pkimetal that it is not for this: one whose answer came too late is not in the list, and nothing else tells of it.
// Throws unavailable for what is none, as what pkimetal says of itself.
PkimetalVerdict pkimetal_verdict(std::string_view answer, const std::vector<PkimetalBackend>& backends);

}  // namespace hsmbridge::local
