#include "service/keys/new_csr.h"

#include "service/content/csr.h"
#include "service/keys/keys.h"
#include "workflow/engine/lane_pauses.h"
#include "x509/judge/advice.h"
#include "x509/objects/csr.h"
#include "x509/objects/pem.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <filesystem>

namespace hsmbridge::service {

namespace {

// Keys that are kept open. Rows that share a key are mostly near each other.
constexpr std::size_t kMostOpen = 1024;

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

Bytes written_form(ByteView der, CsrForm form) {
  return form == CsrForm::der ? Bytes(der.begin(), der.end()) : to_bytes(x509::csr_to_pem(der));
}

// Whether the answer would be the same if it were asked again now.
bool stays_so(const Error& error) {
  switch (error.kind()) {
    case ErrorKind::invalid_input:
    case ErrorKind::ambiguous:
    case ErrorKind::refused:
      return !workflow::says_lane_is_down(error);
    default:
      return false;
  }
}

// One signature of a key that signs others meanwhile: its leaf says what this one is about.
class OneUse final : public x509::Signer {
 public:
  OneUse(workflow::KeySigner& key, const Json& more) : key_(key), more_(more) {}
  const Bytes& subject_public_key_info() const override { return key_.subject_public_key_info(); }
  Bytes sign(ByteView to_be_signed, const x509::SignatureAlgorithm& algorithm) override {
    return key_.sign_saying(more_, to_be_signed, algorithm);
  }

 private:
  workflow::KeySigner& key_;
  const Json& more_;
};

}  // namespace

void refuse_csr(const NewCsr& wanted, const CsrRun& run) {
  const x509::RequestedContent ask = ask_of(wanted, run);
  if (wanted.key.empty()) algorithm_for(ask, spec_of(wanted, run.profile));
}

CsrMaker::Opened CsrMaker::open(workflow::KeyInfo key, const workflow::Intent& intent) {
  // Identified first: a planned key becomes a record with its public key, or never gets one.
  key = ring_.identify(std::move(key), intent, log_.recorder());
  return std::make_shared<const workflow::KeyRing::Opened>(
      ring_.signer(key, intent, log_.recorder_of_use(ring_.token(), key)));
}

void CsrMaker::look_for(std::span<const std::string> selectors) {
  auto found = ring_.find_many(selectors);
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i]) seen_.insert_or_assign(selectors[i], std::move(*found[i]));
  }
}

CsrMaker::Opened CsrMaker::opened(const std::string& selector, const workflow::Intent& intent) {
  std::shared_ptr<KeyEntry> entry;
  {
    const std::lock_guard lock(mutex_);
    const Name name(selector, intent.accepted);
    auto& known = entries_[name];
    if (!known) {
      known = std::make_shared<KeyEntry>();
      oldest_first_.push_back(name);
    }
    entry = known;
    if (oldest_first_.size() > kMostOpen) {
      entries_.erase(oldest_first_.front());  // who uses it keeps it
      oldest_first_.pop_front();
    }
  }
  const std::lock_guard lock(entry->mutex);
  if (entry->failure) throw Error(*entry->failure);
  if (!entry->opened) {
    try {
      const auto seen = seen_.find(selector);
      entry->opened = open(seen != seen_.end() ? seen->second : ring_.find(selector), intent);
    } catch (const Error& error) {
      if (stays_so(error)) entry->failure = error;
      throw;
    }
  }
  return entry->opened;
}

// What was found, or not found, under the label of a key that was just made; an id or a URI may mean that key too.
void CsrMaker::forget(const std::string& label) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const auto& entry) {
    const std::string& selector = entry.first.first;
    return selector == label || selector.starts_with("id=") || selector.starts_with("pkcs11:");
  });
}

// Why the file that is there is not what would be written; "" where it is, and then `made` says so.
std::string CsrMaker::why_not_there(const NewCsr& wanted, MadeCsr& made, const workflow::Intent& intent) {
  // A pipe would have to be waited for.
  if (!std::filesystem::is_regular_file(wanted.out)) return "it is not a regular file";
  const Bytes content = read_file(wanted.out);
  x509::Csr csr;
  try {
    csr = x509::parse_csr(x509::read_csr(content));
  } catch (const Error& error) {
    return error.message();
  }
  if (content != written_form(csr.der, run_.form)) return "it is in another form";
  // Opened, and so compared with its contract, as if it were to sign: what is wrong with the key is not the file's fault.
  if (wanted.key.empty()) {
    const auto keys = ring_.match(wanted.new_key);
    if (keys.size() != 1) return fmt::format("{} keys match {}", keys.size(), wanted.new_key);
    made.key = open(keys.front(), intent)->key;
  } else {
    made.key = opened(wanted.key, intent)->key;
  }
  if (made.key.spki.empty()) return "the token shows no public key to compare it with";
  const auto spec = x509::key_spec_of(made.key.spki);
  if (wanted.key.empty() && !(spec == spec_of(wanted, run_.profile))) return "its key is of another kind";
  std::string why = x509::difference(csr, made.key.spki, made.ask.content, algorithm_for(made.ask, spec));
  if (!why.empty()) return why;
  made.der = std::move(csr.der);
  made.already = true;
  return {};
}

// A key that signs nothing is not made for a folder that takes no file.
workflow::KeyInfo CsrMaker::make_key(const NewCsr& wanted, const x509::KeySpec& spec, Part part) {
  if (!wanted.out.empty()) expect_folder_takes_files(wanted.out);
  try {
    return make_keys(ring_, log_, {{wanted.new_key}, spec, workflow::KeyUse::sign, std::nullopt}).front().key;
  } catch (const Error& error) {
    // Whether it is the key of a run that was ended before it wrote the CSR, or one in use elsewhere, only a person knows.
    if (part == Part::alone || error.kind() != ErrorKind::conflict || error.detail("existing_id").empty()) throw;
    throw error.restated(error.kind(), error.message() + "; if an earlier run made it for this row, name it under key")
        .hint("give the row the key's label under key instead of new-key, or choose another label");
  }
}

MadeCsr CsrMaker::make(const NewCsr& wanted, Part part) {
  MadeCsr made;
  made.ask = ask_of(wanted, run_);
  made.advice = x509::advice(made.ask.content);
  const workflow::Intent intent{workflow::Purpose::csr, "csr",
                                Json::object({{"subject", made.ask.content.subject.to_string()}}),
                                accepted_of_key(run_.profile, wanted.wishes)};
  if (!wanted.out.empty() && run_.existing == Existing::refuse && std::filesystem::exists(wanted.out)) {
    if (part == Part::alone) {
      throw Error{ErrorKind::conflict, fmt::format("{} exists already, nothing was done", wanted.out)}.hint(
          "name another file, or give --force to replace it");
    }
    const std::string why = why_not_there(wanted, made, intent);
    if (why.empty()) return made;
    // --force would sign and replace all that are there.
    throw Error{ErrorKind::conflict,
                fmt::format("{} exists already, and is not the CSR that is asked for: {}", wanted.out, why)}
        .hint("name another file, or remove it and type the command again");
  }
  Opened in_use;
  if (wanted.key.empty()) {
    // A key that could not sign what is asked is not made.
    const x509::KeySpec spec = spec_of(wanted, run_.profile);
    ring_.expect_to_sign(algorithm_for(made.ask, spec));
    in_use = open(make_key(wanted, spec, part), intent);
    made.key_made = true;
    forget(wanted.new_key);
  } else {
    in_use = opened(wanted.key, intent);
    if (run_.authority) {
      refuse_leaf_of_authority(run_.authority(in_use->key),
                               fmt::format("key {} in token {}", in_use->key.name, ring_.token()), made.ask.content);
    }
  }
  made.key = in_use->key;
  OneUse signer(*in_use->signer, intent.more);
  made.der = create_csr(signer, made.ask);
  if (!wanted.out.empty()) {
    write_file(wanted.out, written_form(made.der, run_.form), FileMode::public_0644, run_.existing);
  }
  return made;
}

MadeCsr make_csr(workflow::KeyRing& ring, Logbook& log, const NewCsr& wanted, const CsrRun& run) {
  return CsrMaker(ring, log, run).make(wanted, CsrMaker::Part::alone);
}

}  // namespace hsmbridge::service
