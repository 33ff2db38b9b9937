#include "base/file.h"
#include "pkcs11/keys/contract.h"
#include "pkcs11/keys/generate.h"
#include "pkcs11/keys/keys.h"
#include "pkcs11/keys/signer.h"
#include "service/requests/requests.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/text/token.h"
#include "tools/hsmbridge/usecase/key_birth.h"
#include "tools/hsmbridge/wiring/command_context.h"
#include "tools/hsmbridge/wiring/token_access.h"
#include "workflow/machine/lifecycle.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

namespace hsmbridge::cli {

namespace {

using commandline::Option;
using commandline::Positional;
using commandline::Times;

const Positional kKey{"KEY", "its label, id=HEX, or RFC 7512 URI"};

std::vector<Option> with_token(std::vector<Option> options) {
  const std::vector<Option> more = token_options();
  options.insert(options.end(), more.begin(), more.end());
  return options;
}

std::vector<std::string> labels_of(const Arguments& arguments) {
  const std::string label = arguments.required("--label");
  const long count = arguments.number("--count", 1, 10'000).value_or(1);
  if (!arguments.has("--count")) return {label};
  std::vector<std::string> labels;
  for (long i = 1; i <= count; ++i) labels.push_back(fmt::format("{}-{}", label, i));
  return labels;
}

std::optional<Bytes> id_of(const Arguments& arguments) {
  const auto id = arguments.text("--id");
  if (!id) return std::nullopt;
  Bytes wanted = from_hex(*id);
  if (wanted.empty()) throw Error{ErrorKind::invalid_input, "--id is empty"};
  return wanted;
}

void say_wishes(Output& output, const pkcs11::ContractReport& report) {
  std::string names;
  for (const pkcs11::ContractRow& row : report.rows) {
    if (row.verdict == pkcs11::Verdict::wish_not_granted) {
      names += (names.empty() ? "" : ", ") + row.half + " " + row.attribute;
    }
  }
  if (!names.empty()) output.note(fmt::format("the token did not grant: {} (key show says more)", names));
}

ExitCode generate(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  const x509::KeySpec spec = x509::parse_key_spec(arguments.text_or("--spec", "ec:P-256"));
  const pkcs11::KeyUse use = pkcs11::parse_key_use(arguments.text_or("--for", "sign"));
  CommandContext context(invocation);
  const auto token = context.token();
  const auto made = make_keys(context, *token, {labels_of(arguments), spec, use, id_of(arguments)});
  std::vector<pkcs11::KeyInfo> keys;
  Json rows = Json(Json::Array{});
  for (const pkcs11::MadeKey& row : made) {
    Json object = to_json(row.key);
    object.set("contract", to_json(row.contract));
    rows.push(std::move(object));
    keys.push_back(row.key);
    if (row.origin == pkcs11::MadeKey::Origin::adopted) {
      invocation.output.note(fmt::format("{} was made by an earlier run that did not finish", row.key.label));
    }
  }
  const Json object = Json::object({{"token", Json(token->name())}, {"keys", std::move(rows)}});
  if (arguments.has("--count")) {
    invocation.output.result("hsmbridge.key-generate/1", object, keys_text(keys));
  } else {
    invocation.output.result("hsmbridge.key-generate/1", object, key_text(keys.front()));
  }
  if (!made.empty()) say_wishes(invocation.output, made.front().contract);
  for (const pkcs11::MadeKey& row : made) {
    const auto wanted = id_of(arguments);
    if (!wanted && row.key.id.size() != pkcs11::kIdOctets) {
      invocation.output.note(
          fmt::format("the token keeps its own or a shorter CKA_ID: {} has id={}", row.key.label, hex(row.key.id)));
    }
  }
  const std::string& label = keys.front().label;
  invocation.output.note(fmt::format("next: hsmbridge csr create{} --key {} --san dns:www.example.com --out {}",
                                     token_words(arguments), shell_word(label), shell_word(label + ".csr")));
  return ExitCode::done;
}

// Null when none is configured, or none was made yet: a look makes no store.
std::unique_ptr<workflow::Store> store_that_is_there(CommandContext& context) {
  if (context.wiring() == nullptr) return nullptr;
  const auto& file = context.wiring()->settings().store.path;
  if (!file || !std::filesystem::exists(*file)) return nullptr;
  return context.wiring()->stores().open_to_look();
}

// Keys in this token that were made for requests that are over: nobody else would ever speak of them.
void warn_of_forgotten(Invocation& invocation, CommandContext& context, const std::string& token,
                       const std::vector<pkcs11::KeyInfo>& keys) {
  const auto store = store_that_is_there(context);
  if (!store) return;
  for (const auto& plan : service::forgotten_plans(*store)) {
    const auto there = std::find_if(keys.begin(), keys.end(),
                                    [&plan](const pkcs11::KeyInfo& key) { return hex(key.id) == plan.cka_id; });
    // One with a certificate is in use, whatever became of the request.
    if (plan.token != token || there == keys.end() || there->has_certificate || !there->claims.empty()) continue;
    invocation.output.warning(
        fmt::format("{} (id={}) was made for a request that is over, and no request uses it: "
                    "`hsmbridge key delete --token {} id={}` destroys it, `hsmbridge enroll --key id={}` uses it",
                    there->name(), plan.cka_id, token, plan.cka_id, plan.cka_id));
  }
}

ExitCode list(Invocation& invocation) {
  CommandContext context(invocation);
  const auto token = context.token();
  const auto keys = pkcs11::list_keys(*token);
  Json rows = Json(Json::Array{});
  for (const pkcs11::KeyInfo& key : keys) rows.push(to_json(key));
  invocation.output.result("hsmbridge.key-list/1",
                           Json::object({{"token", Json(token->name())}, {"keys", std::move(rows)}}),
                           keys.empty() ? "" : keys_text(keys));
  warn_of_forgotten(invocation, context, token->name(), keys);
  if (keys.empty()) {
    invocation.output.note(fmt::format("token {} holds no key; next: hsmbridge key generate{} --label NAME",
                                       token->name(), token_words(invocation.arguments)));
  }
  return ExitCode::done;
}

// Nothing but proofs.
workflow::Intent proof() {
  return {workflow::Purpose::proof, "proof", Json::object(), {}};
}

// Where only certificates tell the key's public key: the one for which it signs.
pkcs11::KeyInfo with_own_claim(CommandContext& context, const std::shared_ptr<pkcs11::Token>& token,
                               pkcs11::KeyInfo key) {
  return pkcs11::with_proved_claim(token, std::move(key), proof(), context.recorder());
}

ExitCode show(Invocation& invocation) {
  CommandContext context(invocation);
  const auto token = context.token();
  const auto selector = pkcs11::KeySelector::parse(invocation.arguments.required("KEY"));
  pkcs11::KeyInfo key = pkcs11::find_key(*token, selector);
  if (invocation.arguments.has("--prove")) key = with_own_claim(context, token, std::move(key));
  const auto attributes = pkcs11::key_attributes(*token, key);
  const auto report = pkcs11::check_contract(*token, key);
  Json object = to_json(key);
  object.set("token", Json(token->name()));
  object.set("attributes", to_json(attributes));
  object.set("contract", to_json(report));
  object.set("flaws", Json(report.standing.flaws));
  object.set("not_shown", Json(report.standing.not_shown));
  std::string text = key_text(key) + "\n" + attributes_text(attributes, report);
  if (report.use == pkcs11::KeyUse::tls_client) {
    text += "\nmade for TLS client authentication (--for tls-client): it may do raw RSA, and is judged by that\n";
  }
  if (invocation.arguments.has("--prove")) {
    const auto signer = pkcs11::TokenKey::open(token, key, proof(), context.recorder());
    const workflow::KeyProof proof = signer->prove(random_bytes(32));
    object.set("proof", Json::object({{"algorithm", Json(proof.algorithm)},
                                      {"nonce", Json(hex(proof.nonce))},
                                      {"message", Json(hex(proof.message))},
                                      {"signature", Json(hex(proof.signature))}}));
    text += fmt::format("\nproved: the private half signed ({}) and the public half verified it\n", proof.algorithm);
  }
  invocation.output.result("hsmbridge.key/1", object, text);
  if (!report.standing.flaws.empty()) {
    std::string names;
    for (const std::string& flaw : report.standing.flaws) names += (names.empty() ? "" : ", ") + flaw;
    invocation.output.warning(fmt::format("{} is used only where these are accepted by name: {}", key.label, names));
  }
  if (report.violated()) {
    invocation.output.warning(fmt::format("{} is not as the key contract asks:\n{}", key.name(), report.violations()));
  }
  return ExitCode::done;
}

ExitCode show_public(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  const std::string format = arguments.text_or("--format", "pem");
  if (format != "pem" && format != "ssh" && format != "der") {
    throw Error{ErrorKind::invalid_input, fmt::format("there is no format \"{}\"", format)}.hint("pem, ssh or der");
  }
  CommandContext context(invocation);
  const auto token = context.token();
  const pkcs11::KeyInfo key =
      with_own_claim(context, token, pkcs11::find_key(*token, pkcs11::KeySelector::parse(arguments.required("KEY"))));
  if (key.spki.empty()) {
    throw Error{ErrorKind::not_found, fmt::format("token {} shows no public part of {}", token->name(), key.name())};
  }
  std::string content = format == "pem" ? x509::spki_to_pem(key.spki)
                        : format == "ssh"
                            ? fmt::format("{} {}\n", x509::spki_to_ssh(key.spki), commandline::safe(key.label))
                            : to_text(key.spki);
  if (const auto file = arguments.text("--out")) {
    write_file(*file, as_bytes(content), FileMode::public_0644,
               arguments.has("--force") ? Existing::replace : Existing::refuse);
    invocation.output.result("hsmbridge.key-public/1", Json::object({{"file", Json(*file)}}), "");
    return ExitCode::done;
  }
  if (invocation.output.json()) {
    Json object = to_json(key);
    object.set("pem", Json(x509::spki_to_pem(key.spki)));
    object.set("ssh", Json(x509::spki_to_ssh(key.spki)));
    invocation.output.result("hsmbridge.key-public/1", object, "");
    return ExitCode::done;
  }
  if (format == "der" && invocation.output.stdout_is_terminal()) {
    throw Error{ErrorKind::invalid_input, "DER is not for a terminal"}.hint("give --out FILE");
  }
  invocation.output.raw(content);
  return ExitCode::done;
}

// What its public key may be: on a token that keeps no public objects only certificates say something about it.
std::vector<SpkiHash> public_keys_of(const pkcs11::KeyInfo& key) {
  if (!key.spki_hash.empty()) return {key.spki_hash};
  std::vector<SpkiHash> hashes;
  for (const auto& claim : key.claims) hashes.push_back(x509::spki_hash(claim.spki));
  return hashes;
}

// Whether the token that requests call `name` may be this one, which can have another name here (--module).
bool may_be_token(CommandContext& context, const std::string& name, pkcs11::Token& token) {
  if (name == token.name()) return true;
  try {
    return context.wiring()->pkcs11_token(name)->info().uri == token.info().uri;
  } catch (const Error&) {
    return true;  // what cannot be asked may be this one: a key is not destroyed by mistake
  }
}

// Whether a request's words for its key mean this one.
bool means(const workflow::KeyWish& wish, pkcs11::Token& token, const pkcs11::KeyInfo& key) {
  if (wish.source == workflow::KeyWish::Source::make) {
    return (!wish.cka_id.empty() && wish.cka_id == hex(key.id)) || wish.selector == key.label;
  }
  try {
    const auto meant = pkcs11::match_keys(token, pkcs11::KeySelector::parse(wish.selector));
    return std::any_of(meant.begin(), meant.end(), [&](const pkcs11::KeyInfo& one) {
      return one.id == key.id && one.label == key.label && one.spki == key.spki;
    });
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found) return false;  // a URI of another token
    throw;
  }
}

bool uses(const workflow::Record& request, CommandContext& context, pkcs11::Token& token, const pkcs11::KeyInfo& key) {
  const workflow::Order& order = request.order;
  if (!workflow::needs_key(order)) return false;
  const auto* const ready = workflow::key_of(request.state);
  const SpkiHash pinned = ready != nullptr && !ready->spki.empty() ? ready->spki : order.key.spki;
  const auto possible = public_keys_of(key);
  if (!pinned.empty() && !possible.empty()) {
    return std::find(possible.begin(), possible.end(), pinned) != possible.end();
  }
  return means(order.key, token, key) && may_be_token(context, order.token, token);
}

// As far as the records know: a key of a token that another bridge uses is its own business.
void refuse_in_use(CommandContext& context, pkcs11::Token& token, const pkcs11::KeyInfo& key) {
  const auto store = store_that_is_there(context);
  if (!store) return;
  const auto refuse = [&](const std::string& by) {
    throw Error{ErrorKind::refused, fmt::format("key {} is needed for {}", key.name(), by)}.hint(
        "give --force to destroy it anyway");
  };
  namespace status = workflow::status;
  for (const SpkiHash& spki : public_keys_of(key)) {
    workflow::CertificateQuery query;
    query.spki = spki;
    for (const auto& certificate : store->certificates(query)) {
      for (const auto* needed : {status::kCurrent, status::kRevoking, status::kHeld}) {
        if (certificate.status != needed) continue;
        refuse(fmt::format("certificate {}, which is {}", certificate.fingerprint.substr(0, 12), needed));
      }
    }
  }
  // And those whose key is not known yet; all of them where nothing says which public key this is.
  std::vector<std::optional<SpkiHash>> possible{std::nullopt};
  if (const auto known = public_keys_of(key); !known.empty()) {
    possible.assign(known.begin(), known.end());
    possible.emplace_back(SpkiHash{});
  }
  for (const auto& spki : possible) {
    workflow::Requests::ListQuery open;
    open.open_only = true;
    open.most = 1'000'000;
    open.spki = spki;
    for (const auto& request : store->list(open)) {
      if (uses(request, context, token, key)) refuse(fmt::format("request {}, which is open", request.order.id.str()));
    }
  }
}

ExitCode remove(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  CommandContext context(invocation);
  const auto token = context.token();
  pkcs11::KeyInfo key = pkcs11::find_key(*token, pkcs11::KeySelector::parse(arguments.required("KEY")));
  if (!arguments.has("--force")) refuse_in_use(context, *token, key);
  const bool certificates = arguments.has("--with-certificates");
  if (!arguments.has("--yes")) {
    const std::string question = fmt::format("{}Destroy this key{} in token {} for ever?", key_text(key),
                                             certificates ? " and its certificates" : "", token->name());
    if (!commandline::confirm(invocation.output, question, "give --yes to destroy it without being asked")) {
      throw Error{ErrorKind::refused, "not confirmed, nothing was destroyed"};
    }
  }
  // Which certificates are its own only the key itself can say.
  if (certificates) key = with_own_claim(context, token, std::move(key));
  context.record("key-destroy", pkcs11::facts_of(*token, key));
  pkcs11::destroy_key(*token, key, certificates ? pkcs11::WithCertificates::destroy : pkcs11::WithCertificates::keep);
  if (key.id.empty()) {
    context.record("key-destroyed", pkcs11::facts_of(*token, key));
  } else {
    context.record_key("key-destroyed", pkcs11::facts_of(*token, key),
                       key_record(*token, key, "destroyed", context.clock().now()));
  }
  Json object = to_json(key);
  object.set("token", Json(token->name()));
  object.set("destroyed", Json(true));
  invocation.output.result(
      "hsmbridge.key/1", object,
      fmt::format("destroyed {} (id {}) in token {}\n", key.name(), hex(key.id), commandline::safe(token->name())));
  return ExitCode::done;
}

}  // namespace

std::vector<Command> key_commands() {
  const std::vector<ExitCode> exits = {ExitCode::failed, ExitCode::refused, ExitCode::unavailable};
  return {
      {"key",
       "generate",
       "Make a key pair in the token",
       with_token({{"--label", "LABEL", "the new key's label; one that is taken is refused", Times::required},
                   {"--spec", "KIND", "ec:P-256 (default), ec:P-384, ec:P-521, ed25519, rsa:2048 … rsa:8192"},
                   {"--for", "USE", "sign (default), or tls-client: it also logs in to a provider (client_key)"},
                   {"--id", "HEX", "the CKA_ID; else 16 random bytes"},
                   {"--count", "N", "make N keys: LABEL-1 … LABEL-N"}}),
       {},
       generate,
       exits,
       "The key can sign and nothing else, and never leaves the token. Afterwards every\n"
       "attribute is read back; a key that is not as asked is destroyed.\n\n"
       "An RSA key that authenticates TLS connections (client_key of a provider) is made with\n"
       "--for tls-client: TLS 1.3 signs with PSS, for which OpenSSL's bridge to the token asks\n"
       "for raw RSA. Raw RSA signing is raw decryption too, so no other key is allowed it;\n"
       "without it such a key does TLS 1.2 only. EC keys need no such permission.\n"},
      {"key", "list", "List the keys of a token", with_token({}), {}, list, exits, ""},
      {"key",
       "show",
       "Show a key: every attribute, and what the contract asked",
       with_token({{"--prove", "", "let the token sign a nonce and verify it"}}),
       {kKey},
       show,
       exits,
       ""},
      {"key",
       "public",
       "Print the public key",
       with_token({{"--format", "FORMAT", "pem (default), ssh or der"},
                   {"--out", "FILE", "write it there"},
                   {"--force", "", "replace the file"}}),
       {kKey},
       show_public,
       exits,
       ""},
      {"key",
       "delete",
       "Destroy a key, both halves",
       with_token({{"--with-certificates", "", "the certificates beside it too"},
                   {"--yes", "", "do not ask; needed where nobody can be asked"},
                   {"--force", "", "also when the records say that a certificate or an open request needs it"}}),
       {kKey},
       remove,
       exits,
       ""},
  };
}

}  // namespace hsmbridge::cli
