#include "service/keys/new_csr.h"

#include "service/content/csr.h"
#include "service/keys/keys.h"
#include "x509/judge/advice.h"
#include "x509/objects/pem.h"

#include <fmt/core.h>

#include <filesystem>
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

MadeCsr make_csr(workflow::KeyRing& ring, Logbook& log, const NewCsr& wanted, const CsrRun& run) {
  MadeCsr made;
  made.ask = ask_of(wanted, run);
  made.advice = x509::advice(made.ask.content);
  if (!wanted.out.empty() && run.existing == Existing::refuse && std::filesystem::exists(wanted.out)) {
    throw Error{ErrorKind::conflict, fmt::format("{} exists already, nothing was done", wanted.out)}.hint(
        "name another file, or give --force to replace it");
  }
  if (wanted.key.empty()) {
    // A key that could not sign what is asked is not made.
    const x509::KeySpec spec = spec_of(wanted, run.profile);
    ring.expect_to_sign(algorithm_for(made.ask, spec));
    made.key = make_keys(ring, log, {{wanted.new_key}, spec, workflow::KeyUse::sign, std::nullopt}).front().key;
    made.key_made = true;
  } else {
    made.key = ring.find(wanted.key);
  }
  const workflow::Intent intent{workflow::Purpose::csr, "csr",
                                Json::object({{"subject", made.ask.content.subject.to_string()}}),
                                accepted_of_key(run.profile, wanted.wishes)};
  // Identified first: a planned key becomes a record with its public key, or never gets one.
  made.key = ring.identify(std::move(made.key), intent, log.recorder());
  auto opened = ring.signer(made.key, intent, log.recorder_of_use(ring.token(), made.key));
  made.key = std::move(opened.key);
  made.der = create_csr(*opened.signer, made.ask);
  if (!wanted.out.empty()) {
    const std::string pem = x509::csr_to_pem(made.der);
    write_file(wanted.out, run.form == CsrForm::der ? ByteView(made.der) : as_bytes(pem), FileMode::public_0644,
               run.existing);
  }
  return made;
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
  for (const BatchRow& row : rows) {
    CsrRow result;
    result.line = row.line;
    try {
      result.wanted = csr_of(row, typed, folder);
      if (!written.insert(result.wanted.out).second) {
        throw Error{ErrorKind::conflict, fmt::format("{} is the file of an earlier row", result.wanted.out)};
      }
      result.made = make_csr(ring, log, result.wanted, run);
    } catch (...) {
      result.error = current_error();
    }
    told(result);
  }
}

}  // namespace hsmbridge::service
