#include "tools/hsmbridge/ask_options.h"

#include "base/file.h"
#include "config/secret_source.h"
#include "tools/hsmbridge/prompt.h"
#include "x509/certificate.h"
#include "x509/csr.h"
#include "x509/pem.h"

#include <fmt/core.h>

#include <filesystem>
#include <string>

namespace hsmbridge::cli {

std::vector<commandline::Option> content_options() {
  using commandline::Times;
  return {
      {"--subject", "NAME", "the whole subject in its order: 'C=CH, O=Example, CN=www'"},
      {"--common-name", "TEXT", "a CN after the profile's subject"},
      {"--san", "KIND:VALUE", "dns:, ip:, email:, uri:, upn:, othername:, dirname:, rid:", Times::many},
      {"--usage", "NAME", "key usage: digitalSignature, keyCertSign, …", Times::many},
      {"--extended-usage", "NAME", "serverAuth, clientAuth, codeSigning, …, or an OID", Times::many},
      {"--ca", "", "ask for a CA certificate (basic constraints CA:TRUE)"},
      {"--path-length", "N", "how many CAs may stand below it"},
      {"--name-permit", "KIND:BASE", "name constraints: dns:example.com, ip:10.0.0.0/8, …", Times::many},
      {"--name-exclude", "KIND:BASE", "likewise", Times::many},
      {"--policy", "OID", "certificate policy, also OID;cps:URI or OID;notice:TEXT", Times::many},
      {"--tls-feature", "NAME", "must-staple, status_request_v2 or a number", Times::many},
      {"--extension", "OID[:critical]=HEX", "any other extension; HEX is its DER value", Times::many},
      {"--challenge-password", "SOURCE", "env:NAME or file:PATH; readable by whoever reads the CSR"},
      {"--algorithm", "NAME", "of the signature: ecdsa-sha256, rsa-pss-sha384, ed25519, …"},
      {"--profile", "NAME", "start from this profile of the configuration"},
      {"--like", "FILE", "start from what this certificate or CSR says"},
  };
}

service::AskWishes wishes_of(const Arguments& arguments) {
  service::AskWishes wishes;
  wishes.subject = arguments.text("--subject");
  wishes.common_name = arguments.text("--common-name");
  wishes.names = arguments.all("--san");
  wishes.usage = arguments.all("--usage");
  wishes.extended_usage = arguments.all("--extended-usage");
  wishes.ca = arguments.has("--ca");
  if (const auto length = arguments.number("--path-length", 0, 1'000'000)) {
    wishes.path_length = static_cast<unsigned>(*length);
  }
  wishes.permitted = arguments.all("--name-permit");
  wishes.excluded = arguments.all("--name-exclude");
  wishes.policies = arguments.all("--policy");
  wishes.tls_features = arguments.all("--tls-feature");
  wishes.extensions = arguments.all("--extension");
  wishes.algorithm = arguments.text("--algorithm");
  if (const auto source = arguments.text("--challenge-password")) {
    const auto password = config::SecretSource::parse(*source, config::SecretUse::any, std::filesystem::current_path());
    wishes.challenge_password = std::string(password.fetch(terminal_prompter(), "the challenge password").reveal());
  }
  return wishes;
}

std::optional<x509::Content> like_content(const Arguments& arguments) {
  const auto file = arguments.text("--like");
  if (!file) return std::nullopt;
  const Bytes bytes = read_file(*file);
  try {
    if (as_text(bytes).find("CERTIFICATE REQUEST-----") != std::string_view::npos) {
      return x509::parse_csr(x509::read_csr(bytes)).content;
    }
    return x509::parse_certificate(x509::read_certificate(bytes)).content();
  } catch (Error& error) {
    throw error.prefix(fmt::format("--like {}", *file));
  }
}

}  // namespace hsmbridge::cli
