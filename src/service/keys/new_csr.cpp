#include "service/keys/new_csr.h"

#include "service/content/csr.h"
#include "service/keys/keys.h"
#include "x509/judge/advice.h"
#include "x509/objects/pem.h"

#include <fmt/core.h>

#include <filesystem>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace hsmbridge::service {

namespace {

x509::KeySpec spec_of(const NewCsr& wanted, const config::ProfileSettings* profile) {
  if (!wanted.spec.empty()) return x509::parse_key_spec(wanted.spec);
  return x509::parse_key_spec(profile != nullptr && profile->key ? *profile->key : "ec:P-256");
}

x509::RequestedContent ask_of(const NewCsr& wanted, const CsrRun& run) {
  if (wanted.key.empty() == wanted.new_key.empty()) {
    throw Error{ErrorKind::invalid_input,
                wanted.key.empty() ? "no key is named" : "--key and --new-key contradict each other"}
        .hint("--key KEY for one that is in the token, --new-key LABEL to make one");
  }
  return build_ask(run.like ? &*run.like : nullptr, run.profile, wanted.wishes);
}

NewCsr csr_of(const BatchRow& row, const NewCsr& typed, const std::string& folder) {
  NewCsr wanted = typed;
  wanted.key = row.text_or("key", typed.key);
  wanted.new_key = row.text_or("new-key", typed.new_key);
  if (row.has("key") && !row.has("new-key")) wanted.new_key.clear();
  if (row.has("new-key") && !row.has("key")) wanted.key.clear();
  wanted.spec = row.text_or("spec", typed.spec);
  wanted.out = row.text_or("out", "");
  if (wanted.out.empty()) {
    const std::string& name = wanted.new_key.empty() ? wanted.key : wanted.new_key;
    if (name.empty() || name.find('/') != std::string::npos || name.front() == '.') {
      throw Error{ErrorKind::invalid_input, "no file name follows from the key's name"}.hint("add a column out");
    }
    wanted.out = name + ".csr";
  }
  if (!folder.empty()) wanted.out = (std::filesystem::path(folder) / wanted.out).string();
  wanted.wishes = wishes_of(row, typed.wishes);
  return wanted;
}

}  // namespace

void refuse_csr(const NewCsr& wanted, const CsrRun& run) {
  const x509::RequestedContent ask = ask_of(wanted, run);
  if (wanted.key.empty()) algorithm_for(ask, spec_of(wanted, run.profile));
}

namespace {

// The keys that a batch has opened, by what was typed and which of its flaws are accepted: a key is found, compared with
// its contract and opened once, however many rows name it; again when the login is new.
using OpenedKeys = std::map<std::pair<std::string, std::vector<std::string>>, workflow::KeyRing::Opened>;

MadeCsr make_csr(workflow::KeyRing& ring, Logbook& log, const NewCsr& wanted, const CsrRun& run, OpenedKeys& opened) {
  MadeCsr made;
  made.ask = ask_of(wanted, run);
  made.advice = x509::advice(made.ask.content);
  if (!wanted.out.empty() && run.existing == Existing::refuse && std::filesystem::exists(wanted.out)) {
    throw Error{ErrorKind::conflict, fmt::format("{} exists already, nothing was done", wanted.out)}.hint(
        "name another file, or give --force to replace it");
  }
  const workflow::Intent intent{workflow::Purpose::csr, "csr",
                                Json::object({{"subject", made.ask.content.subject.to_string()}}),
                                accepted_of_key(run.profile, wanted.wishes)};
  const auto open = [&](workflow::KeyInfo key) {
    // Identified first: a planned key becomes a record with its public key, or never gets one.
    key = ring.identify(std::move(key), intent, log.recorder());
    return ring.signer(key, intent, log.recorder_of_use(ring.token(), key));
  };
  workflow::KeyRing::Opened own;
  workflow::KeyRing::Opened* in_use = &own;
  if (wanted.key.empty()) {
    // A key that could not sign what is asked is not made.
    const x509::KeySpec spec = spec_of(wanted, run.profile);
    ring.expect_to_sign(algorithm_for(made.ask, spec));
    own = open(make_keys(ring, log, {{wanted.new_key}, spec, workflow::KeyUse::sign, std::nullopt}).front().key);
    made.key_made = true;
  } else {
    auto at = opened.find({wanted.key, intent.accepted});
    if (at == opened.end()) {
      at = opened.emplace(std::pair(wanted.key, intent.accepted), open(ring.find(wanted.key))).first;
    } else {
      at->second.signer->say_more(intent.more);
    }
    in_use = &at->second;
  }
  made.key = in_use->key;
  made.der = create_csr(*in_use->signer, made.ask);
  if (!wanted.out.empty()) {
    const std::string pem = x509::csr_to_pem(made.der);
    write_file(wanted.out, run.form == CsrForm::der ? ByteView(made.der) : as_bytes(pem), FileMode::public_0644,
               run.existing);
  }
  return made;
}

}  // namespace

MadeCsr make_csr(workflow::KeyRing& ring, Logbook& log, const NewCsr& wanted, const CsrRun& run) {
  OpenedKeys none;
  return make_csr(ring, log, wanted, run, none);
}

std::vector<std::string> csr_columns() {
  std::vector<std::string> columns = {"key", "new-key", "spec", "out"};
  columns.insert(columns.end(), ask_columns().begin(), ask_columns().end());
  return columns;
}

void make_csrs(workflow::KeyRing& ring, Logbook& log, const std::vector<BatchRow>& rows, const NewCsr& typed,
               const CsrRun& run, const std::string& folder, const std::function<void(const CsrRow&)>& told) {
  // One attempt for all rows: a thousand rows must not spend a thousand PINs.
  ring.login();
  std::set<std::string> written;
  OpenedKeys opened;
  for (const BatchRow& row : rows) {
    CsrRow result;
    result.line = row.line;
    try {
      result.wanted = csr_of(row, typed, folder);
      if (!written.insert(result.wanted.out).second) {
        throw Error{ErrorKind::conflict, fmt::format("{} is the file of an earlier row", result.wanted.out)};
      }
      result.made = make_csr(ring, log, result.wanted, run, opened);
    } catch (...) {
      result.error = current_error();
    }
    told(result);
  }
}

}  // namespace hsmbridge::service
