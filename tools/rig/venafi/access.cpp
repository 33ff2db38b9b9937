// Who may call: API keys, and tokens of service accounts.
#include "base/error.h"
#include "tools/rig/venafi/venafi.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace hsmbridge::rig::venafi {
namespace {

constexpr std::string_view kAudience = "api.venafi.cloud/v1/oauth/token/serviceaccount";

std::optional<Bytes> from_base64url(std::string text) {
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  while (text.size() % 4 != 0) text += '=';
  try {
    return from_base64(text);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string to_base64url(ByteView bytes) {
  std::string text = base64(bytes);
  while (!text.empty() && text.back() == '=') text.pop_back();
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

struct JwtAlgorithm {
  std::string_view name;
  std::string_view digest;
  PublicKeyType type;
  std::size_t signature;  // octets; 0: any
};
constexpr std::array<JwtAlgorithm, 4> kAlgorithms{{
    {"RS256", "SHA256", PublicKeyType::rsa, 0},
    {"ES256", "SHA256", PublicKeyType::ec, 64},
    {"ES384", "SHA384", PublicKeyType::ec, 96},
    {"ES512", "SHA512", PublicKeyType::ec, 132},
}};

struct Jwt {
  Json header;
  Json claims;
  std::string signed_part;
  Bytes signature;
};

std::optional<Jwt> read_jwt(const std::string& text) {
  const std::size_t first = text.find('.');
  const std::size_t second = text.find('.', first + 1);
  if (first == std::string::npos || second == std::string::npos) return std::nullopt;
  const auto header = from_base64url(text.substr(0, first));
  const auto claims = from_base64url(text.substr(first + 1, second - first - 1));
  const auto signature = from_base64url(text.substr(second + 1));
  if (!header || !claims || !signature) return std::nullopt;
  try {
    return Jwt{Json::parse(as_text(*header)), Json::parse(as_text(*claims)), text.substr(0, second), *signature};
  } catch (const Error&) {
    return std::nullopt;
  }
}

bool is_signed_by(const Jwt& jwt, const Bytes& public_key) {
  const std::string name = jwt.header.string_or("alg", "");
  const auto* row = std::find_if(kAlgorithms.begin(), kAlgorithms.end(),
                                 [&](const JwtAlgorithm& entry) { return entry.name == name; });
  if (row == kAlgorithms.end() || public_key_type(public_key) != row->type) return false;
  if (row->signature != 0 && jwt.signature.size() != row->signature) return false;
  const Bytes signature = row->type == PublicKeyType::ec ? der_ecdsa(jwt.signature) : jwt.signature;
  return verify_signature(public_key, row->digest, as_bytes(jwt.signed_part), signature);
}

Answer oauth_error(const std::string& error, const std::string& description) {
  return {400, Json::object({{"error", error}, {"error_description", description}})};
}

}  // namespace

void Venafi::load_credentials() {
  const std::initializer_list<const char*> names{"ops", "alice", "bob", "carol"};
  const Json read = kept_json(dir_ / "venafi-credentials.json", [&] {
    Json made = Json::object({{"company", new_uuid()}, {"idp", SoftwareKey::generate("EC", 256).to_pem()}});
    for (const char* name : names) made.set(name, Json::object({{"id", new_uuid()}, {"api_key", new_uuid()}}));
    return made;
  });
  company_ = read.at("company").as_string();
  identity_provider_ = SoftwareKey::from_pem(read.at("idp").as_string());
  for (const char* name : names) {
    users_[name] = {read.at(name).at("id").as_string(), name, read.at(name).at("api_key").as_string()};
  }
  accounts_["federated"] = {new_uuid(), "federated", {}, "hsmbridge", "https://idp.test"};
}

Caller Venafi::caller_of(const Call& call, bool bearer_only) {
  const std::string bearer = call.header("authorization");
  // Where both are sent the key is not looked at.
  if (bearer.substr(0, 7) == "Bearer ") {
    const auto token = tokens_.find(bearer.substr(7));
    if (token == tokens_.end() || token->second.until <= now()) {
      if (bearer_only) {
        const Json error =
            Json::object({{"code", "IAM_401"}, {"message", "Invalid Request Token."}, {"_request_id", new_uuid()}});
        throw rig::refusal("token", {401, Json::object({{"_error", error}})});
      }
      throw rig::refusal("token", {401, "Access token expired or invalid", "text/plain"});
    }
    return {token->second.account, token->second.account, false};
  }
  const std::string key = bearer_only ? "" : call.header("tppl-api-key");
  if (key.empty()) {
    throw refusal(400, 1004, "Invalid or missing request header [SESSION, tppl-api-key]",
                  Json::array({Json::array({"SESSION", "tppl-api-key"})}));
  }
  for (const auto& [name, user] : users_) {
    if (user.api_key == key) return {user.id, name, true};
  }
  throw rig::refusal("key", {401, "Invalid api key", "text/plain"});
}

Answer Venafi::give_token(const std::string& account) {
  const std::string token = hex(random_bytes(32));
  tokens_[token] = {account, now() + knobs_.token_lifetime};
  return {200, Json::object({{"access_token", token},
                             {"expires_in", static_cast<std::int64_t>(knobs_.token_lifetime.count())},
                             {"token_type", "bearer"}})};
}

// What is wrong with the claims, "" for nothing.
std::string Venafi::check_jwt(const Json& claims, const ServiceAccount& account, const std::string& audience) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now()).time_since_epoch().count();
  const std::string jti = claims.string_or("jti", "");
  if (claims.string_or("aud", "") != audience) return "token_audience_error";
  if (claims.integer_or("exp", 0) <= seconds) return "token_expired_error";
  if (claims.integer_or("iat", 0) > seconds + 60) return "token_not_yet_valid_error";
  if (!account.public_key.empty()) {
    if (jti.empty()) return "token_jti_missing_error";
    if (!used_jtis_.insert(jti).second) return "token_jti_reused_error";
  }
  return "";
}

Answer Venafi::service_account_token(const Call& call) {
  auto form = form_values(call.body);
  if (call.header("content-type").substr(0, 33) != "application/x-www-form-urlencoded" ||
      form["grant_type"] != "urn:ietf:params:oauth:grant-type:jwt-bearer") {
    return oauth_error("unsupported_grant_type", "grant_type is not supported");
  }
  const std::optional<Jwt> jwt = read_jwt(form["assertion"]);
  if (!jwt) return oauth_error("invalid_request", "the assertion is not a JWT");
  const auto account = accounts_.find(jwt->claims.string_or("iss", ""));
  if (account == accounts_.end() || account->second.public_key.empty() ||
      jwt->claims.string_or("sub", "") != account->first) {
    return oauth_error("invalid_client", "unknown service account");
  }
  if (!is_signed_by(*jwt, account->second.public_key)) {
    return oauth_error("invalid_client", "token_signature_verification_error");
  }
  const std::string wrong = check_jwt(jwt->claims, account->second, std::string(kAudience));
  if (!wrong.empty()) return oauth_error("invalid_client", wrong);
  return give_token(account->second.id);
}

Answer Venafi::federated_token(const Call& call, const std::string& company) {
  auto form = form_values(call.body);
  if (company != company_) return oauth_error("invalid_client", "unknown tenant");
  if (form["grant_type"] != "client_credentials" ||
      form["client_assertion_type"] != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
    return oauth_error("unsupported_grant_type", "grant_type is not supported");
  }
  const std::optional<Jwt> jwt = read_jwt(form["client_assertion"]);
  const ServiceAccount& account = accounts_.at("federated");
  if (!jwt || !is_signed_by(*jwt, identity_provider_->public_key())) {
    return oauth_error("invalid_client", "token_signature_verification_error");
  }
  if (jwt->claims.string_or("sub", "") != account.subject) return oauth_error("invalid_client", "unknown subject");
  const std::string wrong = check_jwt(jwt->claims, account, account.audience);
  if (!wrong.empty()) return oauth_error("invalid_client", wrong);
  return give_token(account.id);
}

std::string Venafi::own_jwt(const std::string& subject) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now()).time_since_epoch().count();
  const Json header = Json::object({{"alg", "ES256"}, {"typ", "JWT"}});
  const Json claims = Json::object({{"iss", "https://idp.test"},
                                    {"sub", subject},
                                    {"aud", "https://idp.test"},
                                    {"iat", static_cast<std::int64_t>(seconds)},
                                    {"exp", static_cast<std::int64_t>(seconds + 7200)}});
  const std::string part = to_base64url(as_bytes(header.dump())) + "." + to_base64url(as_bytes(claims.dump()));
  const Bytes signature = identity_provider_->sign({}, as_bytes(part));
  return part + "." + to_base64url(raw_ecdsa(signature, 32));
}

Answer Venafi::user_account(const Asked& asked) {
  if (!asked.caller.person) {
    // As the real one: a service account has no user.
    throw refusal(500, 1000, fmt::format("Unable to find user for username {}", asked.caller.name),
                  Json::array({asked.caller.name}));
  }
  const Instant since = now() - std::chrono::hours{24};
  const User& caller = users_.at(asked.caller.name);
  const Json user = Json::object({{"username", caller.name + "@example.com"},
                                  {"id", caller.id},
                                  {"companyId", company_},
                                  {"userType", "EXTERNAL"},
                                  {"userAccountType", "API"},
                                  {"userStatus", "ACTIVE"},
                                  {"creationDate", date(since)}});
  const Json company = Json::object({{"id", company_},
                                     {"companyType", "TPP_CUSTOMER"},
                                     {"active", true},
                                     {"creationDate", date(since)},
                                     {"domains", Json::array({"example.com"})},
                                     {"urlPrefix", "example"}});
  const Json key = Json::object({{"username", asked.caller.name + "@example.com"},
                                 {"apiVersion", "ALL"},
                                 {"apiKeyStatus", "ACTIVE"},
                                 {"creationDate", date(since)},
                                 {"validityStartDate", date(since)},
                                 {"validityEndDate", date(since + std::chrono::hours{24 * 365})}});
  return {200, Json::object({{"user", user}, {"company", company}, {"apiKey", key}})};
}

Answer Venafi::make_service_account(const Asked& asked) {
  if (!asked.caller.person) throw refusal(403, 1002, "Forbidden");
  const Json body = body_of(asked, {"name", "owner", "authenticationType", "scopes", "applications",
                                    "credentialLifetime", "publicKey", "subject", "audience", "issuerURL", "jwksURI"});
  if (text_in(body, "authenticationType") != "rsaKey" || text_in(body, "publicKey").empty()) {
    throw wrong_parameters(Json::array({"publicKey"}));
  }
  ServiceAccount account{new_uuid(), text_in(body, "name"), {}, "", ""};
  try {
    account.public_key = public_key_from_pem(text_in(body, "publicKey"));
  } catch (const Error& error) {
    throw wrong_parameters(Json::array({error.message()}));
  }
  accounts_[account.id] = account;
  return {200, Json::object({{"id", account.id}})};
}

}  // namespace hsmbridge::rig::venafi
