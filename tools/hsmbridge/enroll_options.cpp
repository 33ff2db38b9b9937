#include "tools/hsmbridge/enroll_options.h"

#include "config/secret_source.h"

#include <filesystem>

namespace hsmbridge::cli {

using commandline::Option;
using commandline::Times;

std::vector<Option> ask_options() {
  return {
      {"--subject", "NAME", "the whole subject, in the order given: 'C=CH, O=Example, CN=www'"},
      {"--cn", "NAME", "instead: this common name after the profile's subject"},
      {"--san", "NAME",
       "dns:www.example.com, ip:192.0.2.1, email:, uri:, upn:, rid:, dirname:, othername:", Times::many},
      {"--usage", "NAME", "key usage, for example digitalSignature", Times::many},
      {"--extended-usage", "NAME", "extended key usage, for example serverAuth, or an OID", Times::many},
      {"--ca", "", "ask for a CA certificate"},
      {"--path-length", "N", "with --ca: how many CAs may stand below"},
      {"--permit", "BASE", "name constraint, for example dns:example.com", Times::many},
      {"--exclude", "BASE", "name constraint, for example ip:10.0.0.0/8", Times::many},
      {"--policy", "OID", "certificate policy, also OID;cps:URI;notice:TEXT", Times::many},
      {"--tls-feature", "NAME", "must-staple, or a number", Times::many},
      {"--extension", "OID[:critical]=HEX", "any other extension, its value as DER", Times::many},
      {"--validity", "DURATION", "for example 90d"},
      {"--algorithm", "NAME", "of the CSR's signature, for example rsa-pss-sha256"},
      {"--accept", "NAME", "a deviation that is accepted, beside the profile's", Times::many},
  };
}

service::AskWishes ask_wishes(const Arguments& arguments) {
  service::AskWishes wishes;
  wishes.subject = arguments.text("--subject");
  wishes.common_name = arguments.text("--cn");
  wishes.names = arguments.all("--san");
  wishes.usage = arguments.all("--usage");
  wishes.extended_usage = arguments.all("--extended-usage");
  wishes.ca = arguments.has("--ca");
  if (const auto length = arguments.number("--path-length", 0, 100)) {
    wishes.path_length = static_cast<unsigned>(*length);
  }
  wishes.permitted = arguments.all("--permit");
  wishes.excluded = arguments.all("--exclude");
  wishes.policies = arguments.all("--policy");
  wishes.tls_features = arguments.all("--tls-feature");
  wishes.extensions = arguments.all("--extension");
  if (const auto validity = arguments.text("--validity")) wishes.validity = parse_duration(*validity);
  wishes.algorithm = arguments.text("--algorithm");
  wishes.accept = arguments.all("--accept");
  return wishes;
}

}  // namespace hsmbridge::cli
