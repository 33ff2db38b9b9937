#include "service/install.h"

#include "base/error.h"
#include "base/file.h"
#include "service/hook.h"
#include "x509/certificate.h"
#include "x509/pem.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <optional>

namespace hsmbridge::service {

namespace {

struct FileTarget {
  enum class Content { full_chain, leaf, chain } content = Content::full_chain;
  std::filesystem::path path;
};

FileTarget file_target(std::string_view detail) {
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
  if (!target.path.is_absolute()) {
    throw Error{ErrorKind::invalid_input, fmt::format("install target file:{}: the path must be absolute", detail)}
        .hint("the certificate may be written by another process, in another folder, on another day");
  }
  return target;
}

bool is_self_signed(const Bytes& der) {
  const auto certificate = x509::parse_certificate(der);
  return certificate.subject() == certificate.issuer() && x509::signature_verifies(certificate, certificate.spki());
}

std::string pem_of(const workflow::CertificateRecord& record, FileTarget::Content content) {
  if (content == FileTarget::Content::leaf) return x509::certificate_to_pem(record.der);
  if (content == FileTarget::Content::full_chain) return full_chain_pem(record);
  std::string text;
  for (const auto& issuer : record.chain) text += x509::certificate_to_pem(issuer);
  return text;
}

// The certificates of a file, when it holds nothing beside them: any DER looks like one by its first octet, a PKCS #12
// store and a private key too, and a PEM file may hold parameters or revocation lists after its certificate.
std::optional<std::vector<Bytes>> certificates_alone(const Bytes& content) {
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
  return x509::parse_certificate(one).spki() == x509::parse_certificate(other).spki();
}

// Whether the file was written for this target, as far as its certificates tell. A list of trusted CAs holds nothing
// but certificates too, and replacing it by one server's would stop everything on the machine.
bool is_own(const std::vector<Bytes>& present, const workflow::CertificateRecord& record, FileTarget::Content content,
            const KnownCertificates& known) {
  if (content != FileTarget::Content::chain) {
    return same_key(present.front(), record.der) || known.is_ours(hex(sha256(present.front())));
  }
  return std::all_of(present.begin(), present.end(), [&](const Bytes& der) {
    return std::find(record.chain.begin(), record.chain.end(), der) != record.chain.end() ||
           known.is_issuer(hex(sha256(der)));
  });
}

}  // namespace

workflow::InstallTarget install_target(std::string_view text) {
  workflow::InstallTarget target{std::string(text), {}};
  const auto colon = text.find(':');
  const auto kind = text.substr(0, colon);
  if (colon != std::string_view::npos) target.detail = std::string(text.substr(colon + 1));
  if (kind == "file") {
    file_target(target.detail);
  } else if (kind == "hook") {
    hook_argv(target.detail);
  } else if (text != "token" && text != "provider:import") {
    throw Error{ErrorKind::invalid_input, fmt::format("'{}' is no install target", text)}.hint(
        "there are: token, file:PATH, file:leaf:PATH, file:chain:PATH, hook:[\"/path/program\",\"argument\"], "
        "provider:import");
  }
  return target;
}

std::string_view kind_of(const workflow::InstallTarget& target) {
  return std::string_view(target.name).substr(0, target.name.find(':'));
}

std::string full_chain_pem(const workflow::CertificateRecord& record) {
  auto text = x509::certificate_to_pem(record.der);
  for (std::size_t i = 0; i < record.chain.size(); ++i) {
    if (i + 1 == record.chain.size() && is_self_signed(record.chain[i])) break;
    text += x509::certificate_to_pem(record.chain[i]);
  }
  return text;
}

void install_file(const workflow::InstallTarget& target, const workflow::CertificateRecord& record,
                  const KnownCertificates& known) {
  const auto [content, path] = file_target(target.detail);
  const auto text = pem_of(record, content);
  std::error_code error;
  if (std::filesystem::exists(path, error)) {
    // Reading a pipe or a device would never end, or take what is somebody else's.
    if (!std::filesystem::is_regular_file(path, error)) {
      throw Error{ErrorKind::conflict, fmt::format("{} is no regular file: it is not overwritten", path.string())}.hint(
          "name another file");
    }
    const auto present = read_file(path);
    if (as_text(present) == text) return;
    if (!present.empty()) {
      const auto certificates = certificates_alone(present);
      const Error kept{ErrorKind::conflict, fmt::format("{} exists and holds {}: it is not overwritten", path.string(),
                                                        certificates ? "certificates that this bridge did not put there"
                                                                     : "more or else than certificates")};
      if (!certificates || !is_own(*certificates, record, content, known)) {
        throw Error(kept).hint("move it away, or name another file; the certificate is written at the next try");
      }
    }
  }
  write_file(path, as_bytes(text), FileMode::public_0644, Existing::replace);
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
