#include "providers/digicert/settings.h"

#include "base/error.h"

#include <fmt/core.h>

namespace hsmbridge::digicert {
namespace {

using config::Section;

constexpr std::string_view kCommonName = "{cn}";

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool digit = std::string_view("0123456789abcdefABCDEF").find(text[i]) != std::string_view::npos;
    if (dash ? text[i] != '-' : !digit) return false;
  }
  return true;
}

void check_url(Section& section, const Settings& settings) {
  if (settings.url.find("/mpki") != std::string::npos) {
    section.problem("url", "ends before /mpki: the paths /mpki/api/… are added here");
  }
  // DigiCert's own hosts ask for a client certificate only under this name (developer portal, client authentication).
  const std::size_t host = settings.url.find("://");
  if (!settings.api_key && settings.client_cert && settings.url.find(".digicert.") != std::string::npos &&
      settings.url.compare(host == std::string::npos ? 0 : host + 3, 11, "clientauth.") != 0) {
    section.problem("url",
                    "needs the prefix clientauth. before the host: only there does DigiCert ask for the client "
                    "certificate, and no api_key is given");
  }
}

void read_ordering(Section& section, Settings& settings) {
  settings.profile = section.optional_text("profile").value_or("");
  if (!settings.profile.empty() && !is_uuid(settings.profile)) {
    section.problem("profile", "is the id of a profile, a UUID: `hsmbridge provider show NAME --profiles` lists them");
  }
  settings.seat = section.text("seat");
  const Section::Choices<std::optional<Shape>> shapes{
      {"auto", std::nullopt}, {"siblings", Shape::siblings}, {"nested", Shape::nested}};
  settings.shape = section.optional_choice("request_shape", shapes).value_or(std::nullopt);
  const Section::Choices<std::string> formats{{"profile", ""}, {"x509", "x509"}, {"pkcs7", "pkcs7"}};
  settings.delivery_format = section.optional_choice("delivery_format", formats).value_or("");
  settings.include_ca_chain = section.optional_boolean("include_ca_chain").value_or(false);
  settings.validity =
      section
          .optional_choice<Settings::Validity>(
              "validity", {{"request", Settings::Validity::as_asked}, {"profile", Settings::Validity::of_profile}})
          .value_or(Settings::Validity::as_asked);
  settings.check = section
                       .optional_choice<Settings::LocalCheck>(
                           "check", {{"profile", Settings::LocalCheck::profile}, {"none", Settings::LocalCheck::none}})
                       .value_or(Settings::LocalCheck::profile);
  settings.tags = section.texts("tags");
  settings.chain = section.optional_file("chain");
}

}  // namespace

Settings read_settings(const std::string& name, config::Section section) {
  Settings settings;
  static_cast<providers::Connection&>(settings) =
      providers::read_connection(name, section, providers::UrlPath::allowed, "/mpki/api/…");
  settings.api_key = section.optional_secret("api_key");
  if (!settings.api_key && !settings.client_cert) {
    section.problem("api_key", "is missing: the API token of a service user (or a client_cert with its client_key)");
  }
  check_url(section, settings);
  read_ordering(section, settings);
  settings.search_lag = section.optional_duration("search_lag").value_or(settings.search_lag);
  settings.time_limit = section.optional_duration("time_limit").value_or(settings.time_limit);
  section.finish();
  return settings;
}

providers::Source api_key_of(const Settings& settings, const config::Prompter& prompter) {
  if (!settings.api_key) return {};
  return providers::source_of(*settings.api_key, prompter, "the API key of provider " + settings.name);
}

bool wants_common_name(const Settings& settings) {
  return settings.seat.find(kCommonName) != std::string::npos;
}

std::string seat_for(const Settings& settings, const std::string& common_name) {
  std::string seat = settings.seat;
  const std::size_t at = seat.find(kCommonName);
  if (at == std::string::npos) return seat;
  if (common_name.empty()) {
    throw Error{ErrorKind::refused, fmt::format("the seat of provider {} is \"{}\" and the request has no common name",
                                                settings.name, settings.seat)}
        .hint("ask for a common name, or configure a fixed `seat`");
  }
  return seat.replace(at, kCommonName.size(), common_name);
}

}  // namespace hsmbridge::digicert
