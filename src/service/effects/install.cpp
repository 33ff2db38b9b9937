#include "service/effects/install.h"

#include "base/error.h"
#include "base/json.h"
#include "base/target_file.h"
#include "service/effects/hook.h"
#include "x509/objects/certificate.h"
#include "x509/objects/pem.h"
#include "x509/objects/pkcs7.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <utility>

namespace hsmbridge::service {

namespace {

// What the text of a "file:" target says.
struct FileTarget {
  enum class Content { full, leaf, chain, pkcs7 } content = Content::full;
  Sequence sequence = Sequence::leaf_first;
  std::filesystem::path path;
  FileAccess access;  // what is not said is the administrator's business
};

struct ContentWord {
  std::string_view word;
  FileTarget::Content content;
};
constexpr ContentWord kContents[] = {{"full", FileTarget::Content::full},
                                     {"leaf", FileTarget::Content::leaf},
                                     {"chain", FileTarget::Content::chain},
                                     {"pkcs7", FileTarget::Content::pkcs7}};

FileTarget::Content content_from(const std::string& word) {
  for (const ContentWord& row : kContents) {
    if (row.word == word) return row.content;
  }
  throw Error{ErrorKind::invalid_input,
              fmt::format("the content of a file is full, leaf, chain or pkcs7, not '{}'", word)};
}

Sequence sequence_from(const std::string& word) {
  if (word == "leaf-first") return Sequence::leaf_first;
  if (word == "root-first") return Sequence::root_first;
  throw Error{ErrorKind::invalid_input, fmt::format("the order in a file is leaf-first or root-first, not '{}'", word)};
}

unsigned mode_from(const std::string& text) {
  unsigned mode = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (failure == std::errc{} && stop == text.data() + text.size() && mode <= 0777) return mode;
  throw Error{ErrorKind::invalid_input, fmt::format("a mode is an octal number up to 0777, not '{}'", text)};
}

FileTarget described_file(std::string_view json) {
  FileTarget target;
  const Json object = Json::parse(json);
  for (const auto& [key, value] : object.as_object()) {
    const std::string& text = value.as_string();
    if (key == "path") {
      target.path = text;
    } else if (key == "content") {
      target.content = content_from(text);
    } else if (key == "order") {
      target.sequence = sequence_from(text);
    } else if (key == "owner") {
      target.access.owner = text;
    } else if (key == "group") {
      target.access.group = text;
    } else if (key == "mode") {
      target.access.mode = mode_from(text);
    } else {
      throw Error{ErrorKind::invalid_input, fmt::format("a file target has no '{}'", key)}.hint(
          "it has: path, content, order, owner, group, mode");
    }
  }
  return target;
}

FileTarget named_file(std::string_view detail) {
  FileTarget target;
  const auto takes = [&](std::string_view prefix) {
    if (!detail.starts_with(prefix)) return false;
    detail.remove_prefix(prefix.size());
    return true;
  };
  if (takes("leaf:")) {
    target.content = FileTarget::Content::leaf;
  } else if (takes("chain:")) {
    target.content = FileTarget::Content::chain;
  } else {
    takes("fullchain:");
  }
  target.path = std::filesystem::path(detail);
  return target;
}

FileTarget file_target(std::string_view detail) {
  FileTarget target = detail.starts_with('{') ? described_file(detail) : named_file(detail);
  if (!target.path.is_absolute()) {
    throw Error{ErrorKind::invalid_input, fmt::format("install target file:{}: the path must be absolute", detail)}
        .hint("the certificate may be written by another process, in another folder, on another day");
  }
  return target;
}

workflow::InstallTarget described_target(const config::FileTargetSettings& file) {
  Json json = Json::object({{"path", file.path.string()}, {"content", file.content}, {"order", file.order}});
  if (file.owner) json.set("owner", *file.owner);
  if (file.group) json.set("group", *file.group);
  if (file.mode) json.set("mode", fmt::format("{:04o}", *file.mode));
  return install_target("file:" + json.dump());
}

bool is_self_signed(const Bytes& der) {
  const auto certificate = x509::parse_certificate(der);
  return certificate.subject() == certificate.issuer() && x509::signature_verifies(certificate, certificate.spki());
}

std::string content_of(const workflow::CertificateRecord& record, const FileTarget& target) {
  using Content = FileTarget::Content;
  switch (target.content) {
    case Content::leaf:
      return pem_of(select(record, Selection::leaf));
    case Content::chain:
      return pem_of(select(record, Selection::chain, target.sequence));
    case Content::pkcs7:
      return x509::write_pem("PKCS7", x509::pkcs7_bundle(select(record, Selection::everything)));
    case Content::full:
      break;
  }
  return pem_of(select(record, Selection::full, target.sequence));
}

// The certificates of a file, when it holds nothing beside them: any DER looks like one by its first octet, a PKCS #12
// store and a private key too, and a PEM file may hold parameters or revocation lists after its certificate.
std::optional<std::vector<Bytes>> certificates_alone(const Bytes& content) {
  if (auto bundled = x509::certificates_of_bundle(content); !bundled.empty()) return bundled;
  try {
    auto certificates = x509::read_certificates(content);
    for (const auto& der : certificates) x509::parse_certificate(der);
    const bool der = certificates.size() == 1 && certificates.front() == content;
    if (!der && x509::read_pem(as_text(content)).size() != certificates.size()) return std::nullopt;
    return certificates;
  } catch (const Error&) {
    return std::nullopt;
  }
}

bool same_key(const Bytes& one, const Bytes& other) {
  return x509::same_key(x509::parse_certificate(one).spki(), x509::parse_certificate(other).spki());
}

// A certificate for the same key that this bridge does not know and that begins later: another program renewed it, or a
// store that was lost since. An older one must not take its place.
bool is_unknown_successor(const Bytes& present, const workflow::CertificateRecord& record,
                          const KnownCertificates& known) {
  return known.present(hex(sha256(present))) == Present::unknown && same_key(present, record.der) &&
         x509::parse_certificate(present).tbs.validity.not_before >
             x509::parse_certificate(record.der).tbs.validity.not_before;
}

// Whether the file was written for this target, as far as its certificates tell. A list of trusted CAs holds nothing
// but certificates too, and replacing it by one server's would stop everything on the machine.
bool is_own(const std::vector<Bytes>& present, const workflow::CertificateRecord& record, const FileTarget& target,
            const KnownCertificates& known) {
  using Content = FileTarget::Content;
  const auto is_leaf = [&](const Bytes& der) {
    if (known.present(hex(sha256(der))) == Present::replaceable) return true;
    return same_key(der, record.der) && !is_unknown_successor(der, record, known);
  };
  const auto is_issuer = [&](const Bytes& der) {
    return std::find(record.chain.begin(), record.chain.end(), der) != record.chain.end() ||
           known.is_issuer(hex(sha256(der)));
  };
  if (target.content == Content::chain) return std::all_of(present.begin(), present.end(), is_issuer);
  const bool any_order = target.content == Content::pkcs7 || target.sequence == Sequence::root_first;
  if (!any_order) return is_leaf(present.front());
  return std::any_of(present.begin(), present.end(), is_leaf) &&
         std::all_of(present.begin(), present.end(), [&](const Bytes& der) { return is_leaf(der) || is_issuer(der); });
}

std::string what_stands_there(const std::vector<Bytes>& present, const workflow::CertificateRecord& record,
                              const KnownCertificates& known) {
  for (const Bytes& der : present) {
    const auto fingerprint = hex(sha256(der));
    if (is_unknown_successor(der, record, known)) {
      return fmt::format("certificate {}, which is for the same key, is valid from a later time on and is unknown here",
                         fingerprint.substr(0, 12));
    }
    if (known.present(fingerprint) != Present::in_use) continue;
    return fmt::format("certificate {}, which is not renewed by this one and is in use", fingerprint.substr(0, 12));
  }
  return "certificates that this bridge did not put there";
}

}  // namespace

workflow::InstallTarget install_target(std::string_view text) {
  workflow::InstallTarget target{std::string(text), {}};
  const auto colon = text.find(':');
  const auto kind = text.substr(0, colon);
  if (colon != std::string_view::npos) target.detail = std::string(text.substr(colon + 1));
  if (kind == "file") {
    const FileTarget file = file_target(target.detail);
    // A file is one place, whatever is to be written to it.
    if (target.detail.starts_with('{')) target.name = "file:" + file.path.string();
  } else if (text == "token:keep") {
    target.name = "token";
  } else if (kind == "hook") {
    hook_argv(target.detail);
  } else if (text != "token" && text != "provider:import") {
    throw Error{ErrorKind::invalid_input, fmt::format("'{}' is not an install target", text)}.hint(
        "there are: token, token:keep, file:PATH, file:leaf:PATH, file:chain:PATH, file:{\"path\":\"/x\",…}, "
        "hook:[\"/path/program\",\"argument\"], provider:import");
  }
  return target;
}

std::string_view kind_of(const workflow::InstallTarget& target) {
  return std::string_view(target.name).substr(0, target.name.find(':'));
}

std::vector<workflow::InstallTarget> install_targets(const config::ProfileSettings& profile,
                                                     const std::vector<std::string>& typed) {
  const config::InstallSettings& install = profile.install;
  std::vector<workflow::InstallTarget> targets;
  const auto add = [&](workflow::InstallTarget target) {
    const auto same = [&](const auto& other) { return other.name == target.name; };
    if (std::none_of(targets.begin(), targets.end(), same)) targets.push_back(std::move(target));
  };
  if (install.token) add(install_target(install.keep_in_token ? "token:keep" : "token"));
  for (const auto& file : install.files) add(install_target("file:" + file.string()));
  for (const auto& file : install.more_files) add(described_target(file));
  if (install.provider) add(install_target("provider:" + *install.provider));
  if (!install.hook.empty()) add(install_target("hook:" + Json(install.hook).dump()));
  for (const auto& text : typed) {
    auto target = install_target(text);
    refuse_foreign_hook(target, profile.name, install.hook);
    add(std::move(target));
  }
  return targets;
}

void refuse_impossible_targets(const std::vector<workflow::InstallTarget>& targets,
                               const config::TokenSettings& token) {
  if (token.stores_certificates) return;
  for (const auto& target : targets) {
    if (kind_of(target) != "token") continue;
    throw Error{ErrorKind::refused, fmt::format("token {} is declared to store no certificates (certificates: false), "
                                                "and this one is to be stored next to its key",
                                                token.name)}
        .hint("leave token out of the profile's install: and install into a file");
  }
}

void refuse_token_target(const std::vector<workflow::InstallTarget>& targets) {
  for (const auto& target : targets) {
    if (kind_of(target) != "token") continue;
    throw Error{ErrorKind::refused,
                "the key of a CSR that was brought is in no token here: the certificate cannot be stored next to it"}
        .hint(
            "install into a file or by a hook (a profile without token under install:); `hsmbridge cert export` "
            "writes the certificate out");
  }
}

void refuse_import(const std::vector<workflow::InstallTarget>& targets, const std::string& provider,
                   const workflow::Capabilities& can) {
  if (can.imports) return;
  for (const auto& target : targets) {
    if (kind_of(target) != "provider") continue;
    throw Error{ErrorKind::refused,
                fmt::format("provider {} takes no certificate for a key there: it cannot be the install target {}",
                            provider, target.name)}
        .hint("a provider of type securosys-tsb takes one, with `import_label`");
  }
}

void refuse_foreign_hook(const workflow::InstallTarget& target, const std::string& profile,
                         const std::vector<std::string>& configured) {
  if (kind_of(target) != "hook" || hook_argv(target.detail) == configured) return;
  throw Error{ErrorKind::refused,
              fmt::format("the configuration here does not name this program as the hook of profile {}: {}", profile,
                          Json(hook_argv(target.detail)).dump())}
      .hint(fmt::format("write exactly these words as 'hook' under 'install' of profile {}, or skip the target",
                        profile));
}

bool keeps_predecessor(const workflow::InstallTarget& target) {
  return target.detail == "keep";
}

std::vector<Bytes> select(const workflow::CertificateRecord& record, Selection selection, Sequence sequence) {
  std::vector<Bytes> certificates;
  if (selection != Selection::chain) certificates.push_back(record.der);
  if (selection != Selection::leaf) {
    for (std::size_t i = 0; i < record.chain.size(); ++i) {
      const bool last = i + 1 == record.chain.size();
      if (selection == Selection::full && last && is_self_signed(record.chain[i])) break;
      certificates.push_back(record.chain[i]);
    }
  }
  if (sequence == Sequence::root_first) std::reverse(certificates.begin(), certificates.end());
  return certificates;
}

std::string pem_of(const std::vector<Bytes>& certificates) {
  std::string text;
  for (const Bytes& der : certificates) text += x509::certificate_to_pem(der);
  return text;
}

std::string full_chain_pem(const workflow::CertificateRecord& record) {
  return pem_of(select(record, Selection::full));
}

void install_file(const workflow::InstallTarget& target, const workflow::CertificateRecord& record,
                  const KnownCertificates& known) {
  const FileTarget wanted = file_target(target.detail);
  const auto text = content_of(record, wanted);
  TargetFile file(wanted.path);
  if (file.is_there()) {
    const auto present = file.content();
    if (as_text(present) == text && file.has(wanted.access)) return;
    if (!present.empty()) {
      const auto certificates = certificates_alone(present);
      if (!certificates || !is_own(*certificates, record, wanted, known)) {
        throw Error{ErrorKind::conflict,
                    fmt::format("{} exists and holds {}: it is not overwritten", file.path().string(),
                                certificates ? what_stands_there(*certificates, record, known)
                                             : "more or else than certificates")}
            .hint("move it away, or name another file; the certificate is written at the next try");
      }
    }
  }
  file.replace(as_bytes(text), wanted.access);
}

void install_hook(const workflow::InstallTarget& target, const workflow::CertificateRecord& record,
                  const HookCall& call, Duration time_limit) {
  Hook hook;
  hook.argv = hook_argv(target.detail);
  hook.environment = {{"HSMBRIDGE_REQUEST", call.request.str()},
                      {"HSMBRIDGE_ATTEMPT", std::to_string(call.attempt)},
                      {"HSMBRIDGE_CERTIFICATE", record.fingerprint},
                      {"HSMBRIDGE_SUBJECT", record.subject},
                      {"HSMBRIDGE_SERIAL", record.serial},
                      {"HSMBRIDGE_NOT_AFTER", rfc3339(record.not_after)},
                      {"HSMBRIDGE_TOKEN", call.token},
                      {"HSMBRIDGE_KEY", call.key_uri}};
  hook.input = full_chain_pem(record);
  hook.time_limit = time_limit;
  run_hook(hook);
}

}  // namespace hsmbridge::service
