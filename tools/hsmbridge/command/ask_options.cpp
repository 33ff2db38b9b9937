#include "tools/hsmbridge/command/ask_options.h"

#include "base/clock.h"

#include <string>

namespace hsmbridge::cli {

std::vector<commandline::Option> content_options() {
  using commandline::Times;
  return {
      {"--subject", "NAME", "the whole subject in its order: 'C=CH, O=Example, CN=www'"},
      {"--cn", "TEXT", "a CN after the profile's subject"},
      {"--san", "KIND:VALUE", "dns:, ip:, email:, uri:, upn:, othername:, dirname:, rid:", Times::many},
      {"--usage", "NAME", "key usage: digitalSignature, keyCertSign, …", Times::many},
      {"--extended-usage", "NAME", "serverAuth, clientAuth, codeSigning, …, or an OID", Times::many},
      {"--ca", "", "ask for a CA certificate (basic constraints CA:TRUE)"},
      {"--path-length", "N", "how many CAs may be below it"},
      {"--name-permit", "KIND:BASE", "name constraints: dns:example.com, ip:10.0.0.0/8, …", Times::many},
      {"--name-exclude", "KIND:BASE", "likewise", Times::many},
      {"--policy", "OID", "certificate policy, also OID;cps:URI or OID;notice:TEXT", Times::many},
      {"--tls-feature", "NAME", "must-staple, status_request_v2 or a number", Times::many},
      {"--extension", "OID[:critical]=HEX", "any other extension; HEX is its DER value", Times::many},
      {"--algorithm", "NAME", "of the signature: ecdsa-sha256, rsa-pss-sha384, ed25519, …"},
  };
}

service::AskWishes content_wishes(const Arguments& arguments) {
  service::AskWishes wishes;
  wishes.subject = arguments.text("--subject");
  wishes.common_name = arguments.text("--cn");
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
  return wishes;
}

std::vector<commandline::Option> order_options() {
  return {
      {"--validity", "DURATION", "from issue to expiry, for example 90d"},
      {"--accept", "NAME", "a deviation to accept in addition to the profile's", commandline::Times::many},
  };
}

service::AskWishes order_wishes(const Arguments& arguments) {
  service::AskWishes wishes = content_wishes(arguments);
  if (const auto validity = arguments.text("--validity")) wishes.validity = parse_duration(*validity);
  wishes.accept = arguments.all("--accept");
  return wishes;
}

}  // namespace hsmbridge::cli
