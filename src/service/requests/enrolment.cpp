#include "service/requests/enrolment.h"

#include "base/error.h"
#include "service/content/brought_csr.h"
#include "service/content/csr.h"
#include "service/effects/effect_parts.h"
#include "service/effects/expectation.h"
#include "service/effects/install.h"
#include "service/keys/keys.h"
#include "service/requests/approval_terms.h"
#include "service/requests/requests.h"
#include "x509/judge/advice.h"
#include "x509/objects/certificate.h"
#include "x509/objects/signed_object.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <filesystem>
#include <span>
#include <system_error>
#include <utility>

namespace hsmbridge::service {

namespace {

constexpr Duration kCheckLimit = std::chrono::minutes{1};

// What names the key from here on: its id, so that another key of that label that appears later changes nothing; its
// URI, id and label together, where another key has that id too.
std::string lasting_selector(workflow::KeyRing& ring, const workflow::KeyInfo& key) {
  std::string by_id = "id=" + hex(key.id);
  return ring.match(by_id).size() == 1 ? by_id : key.uri;
}

// Ordered before by the same words, and its certificate is in use: whoever types them again learns that, and nothing is
// ordered twice.
void refuse_done(Bridge& bridge, workflow::Store& store, const NewRequest& request, const SpkiHash& spki) {
  const auto done = done_before(store, request, spki, bridge.clock().now());
  if (!done) return;
  throw Error{ErrorKind::conflict, fmt::format("request {} brought the certificate for exactly this", done->str())}
      .with("done-by", done->str())
      .hint("for another one: hsmbridge cert renew");
}

// By other words, or its certificate is over: a CSR is ordered once at a provider, and what is revoked does not come back
// because somebody types it again.
void refuse_csr_again(Bridge& bridge, workflow::Store& store, const NewRequest& request) {
  const auto made = made_of_csr(store, request);
  if (!made) return;
  const bool ended = made->not_after <= bridge.clock().now();
  const std::string is = made->status == workflow::status::kCurrent
                             ? ended ? "has ended" : "was ordered by other words, and is in use"
                             : "is " + made->status;
  throw Error{ErrorKind::conflict,
              fmt::format("this CSR had a certificate from {} before: {} of request {}, which {}", request.provider,
                          made->fingerprint.substr(0, 12), made->request.str(), is)}
      .with("request", made->request.str())
      .hint("let the holder of the key make a new CSR, for the same key or another one");
}

SpkiHash key_of_cross_signed(const Bytes& existing) {
  return x509::spki_hash(x509::parse_certificate(existing).spki());
}

void use_key(Bridge& bridge, workflow::Store& store, const std::string& selector,
             const std::vector<std::string>& accept, NewRequest& request) {
  request.key = {};
  request.key.selector = selector;
  request.key.accept = accept;
  const auto ring = bridge.key_ring(request.token);
  auto key = ring->find(selector);
  refuse_leaf_of_authority(authority_of(bridge, *ring, key), fmt::format("key {} in token {}", key.name, ring->token()),
                           request.ask.content);
  if (key.spec) ring->expect_to_sign(algorithm_for(request.ask, *key.spec));
  // Refused now, not when the request is there.
  key = ring->signer(key, {workflow::Purpose::csr, "enroll", Json::object(), accept}, bridge.recorder()).key;
  if (key.name != key.label) request.key.selector = key.uri;  // the journal holds UTF-8
  if (!key.id.empty()) request.key.selector = lasting_selector(*ring, key);
  if (!request.cross_signs.empty()) {
    request.key.spki = key_of_cross_signed(request.cross_signs);
    if (key.spki_hash != request.key.spki) {
      throw Error{ErrorKind::conflict, fmt::format("key {} in token {} is not the key of the CA that is to be "
                                                   "cross-signed",
                                                   key.name, ring->token())};
    }
  }
  refuse_spent_key(store, request.token, key.spki_hash);
  refuse_bad_key(fmt::format("key {} in token {}", key.name, ring->token()), key.spki, bridge.weak_keys(), &store,
                 "make a new key: --new-key LABEL");
  refuse_duplicate(store, request);
  refuse_done(bridge, store, request, key.spki_hash);
}

void make_key(Bridge& bridge, workflow::Store& store, const std::string& label, const x509::KeySpec& spec,
              NewRequest& request) {
  request.key = {};
  request.key.source = workflow::KeyWish::Source::make;
  request.key.selector = label;
  request.key.spec = x509::to_string(spec);
  refuse_leaf_of_authority(authority_to_be(bridge, request.token, label),
                           fmt::format("key {} in token {}", label, request.token), request.ask.content);
  refuse_duplicate(store, request);
  for (const auto& key : store.keys({std::nullopt, request.token, label})) {
    refuse_done(bridge, store, request, key.spki);
  }
  const auto& algorithm = algorithm_for(request.ask, spec);
  const auto ring = bridge.key_ring(request.token);
  ring->expect_to_sign(algorithm);
  try {
    request.key.cka_id = hex(ring->plan(std::span(&label, 1), spec, {}).front().id);
  } catch (const Error& error) {
    const auto left = error.kind() == ErrorKind::conflict ? left_over_key(store, request) : std::nullopt;
    if (!left) throw;
    use_key(bridge, store, "id=" + left->cka_id, {}, request);
  }
}

// What was typed, as far as it can be carried out, and what speaks against it without being an error.
struct Resolved {
  NewRequest request;
  CsrJudgement judgement;  // of a CSR that was brought
};

void refuse_words_of_keys(const NewEnrolment& wanted) {
  const char* word = wanted.new_key ? "--new-key" : wanted.key ? "--key" : wanted.spec ? "--spec" : nullptr;
  if (word == nullptr && wanted.token) word = "--token";
  if (word == nullptr && wanted.like) word = "--like";
  if (word == nullptr) return;
  throw Error{ErrorKind::invalid_input,
              fmt::format("{} does not go with --csr: the CSR has its key, and no token signs", word)};
}

// Of the CSR only the key counts: its signature proves that who wants it has the key of the CA.
CsrJudgement judge_cross_csr(const x509::Csr& csr, const Bytes& existing) {
  CsrJudgement judgement;
  if (x509::spki_hash(csr.spki) != key_of_cross_signed(existing)) {
    judgement.objections.push_back({"key", "it is not of the key of the CA that is to be cross-signed", {}});
  }
  return judgement;
}

// Whether an objection to a CSR that was brought is an error.
enum class Objections { refused, collected };
void use_csr(Bridge& bridge, workflow::Store& store, const NewEnrolment& wanted, const config::ProfileSettings& profile,
             Objections objections, Resolved& resolved) {
  NewRequest& request = resolved.request;
  const x509::Csr csr = csr_in(*wanted.csr);
  resolved.judgement = examine_csr(csr, bridge.weak_keys(), &store);
  if (wanted.cross) {
    add_to(resolved.judgement, judge_cross_csr(csr, wanted.cross->existing));
  } else {
    request.ask = ask_of_csr(csr.content, profile, wanted.wishes);
    // What is asked for is the profile's word and the command's: a service may make CSRs of a CA that do not say so.
    refuse_leaf_of_authority(authority_of(bridge, x509::spki_hash(csr.spki)), "the key of the CSR",
                             request.ask.content);
    add_to(resolved.judgement,
           compare_csr(csr, request.ask, profile, bridge.provider(request.provider)->capabilities()));
  }
  if (objections == Objections::refused) {
    refuse_objections(csr, *wanted.csr, resolved.judgement, copy_hint(profile, resolved.judgement), bridge.recorder());
  }
  request.key = brought_key(csr);
  if (!resolved.judgement.objections.empty()) return;
  refuse_duplicate(store, request);
  refuse_done(bridge, store, request, request.key.spki);
  if (!wanted.cross) refuse_csr_again(bridge, store, request);
}

// The CSR that the new key would sign, with a signature that is none.
Bytes unsigned_csr(const NewRequest& request) {
  const auto spec = x509::parse_key_spec(request.key.spec);
  const auto& algorithm =
      request.ask.algorithm.empty() ? x509::default_algorithm(spec) : x509::signature_algorithm(request.ask.algorithm);
  const auto info = x509::build_certification_request_info(x509::spki_of_nobody(spec), request.ask.content);
  return x509::assemble(info, algorithm, Bytes(64, 0));
}

Bytes signed_csr(Bridge& bridge, const NewRequest& request) {
  const auto ring = bridge.key_ring(request.token);
  const auto opened =
      ring->signer(ring->find(request.key.selector),
                   {workflow::Purpose::csr, "enroll --check",
                    Json::object({{"subject", request.ask.content.subject.to_string()}}), request.key.accept},
                   bridge.recorder());
  return create_csr(*opened.signer, request.ask);
}

}  // namespace

std::vector<std::string> enrolment_columns() {
  auto columns = ask_columns();
  columns.insert(columns.end(), {"provider", "profile", "token", "new-key", "spec", "key", "csr", "install"});
  return columns;
}

NewEnrolment enrolment_of(const BatchRow& row, NewEnrolment wanted) {
  const auto text = [&](std::string_view column, std::optional<std::string>& to) {
    if (row.has(column)) to = row.text_or(column, "");
  };
  text("provider", wanted.provider);
  text("profile", wanted.profile);
  text("token", wanted.token);
  if (row.has("key") || row.has("csr")) wanted.new_key.reset();
  if (row.has("new-key") || row.has("csr")) wanted.key.reset();
  if (row.has("key") || row.has("new-key")) wanted.csr.reset();
  if (row.has("csr")) {  // what was typed for rows with a key
    if (!row.has("token")) wanted.token.reset();
    if (!row.has("spec")) wanted.spec.reset();
  }
  text("new-key", wanted.new_key);
  text("spec", wanted.spec);
  text("key", wanted.key);
  text("csr", wanted.csr);
  // A pipe or a terminal that gives nothing would hold up all other rows.
  if (std::error_code unknown; row.has("csr") && std::filesystem::exists(*wanted.csr, unknown) &&
                               !std::filesystem::is_regular_file(*wanted.csr, unknown)) {
    throw Error{ErrorKind::invalid_input, fmt::format("{} is no file", *wanted.csr)};
  }
  for (const auto& target : row.all("install")) wanted.install.push_back(target);
  wanted.wishes = wishes_of(row, std::move(wanted.wishes));
  return wanted;
}

namespace {

// Throws conflict with the detail "same-order" or "done-by" where the same words ordered before.
Resolved resolve(const Actor& actor, Bridge& bridge, workflow::Store& store, const NewEnrolment& wanted,
                 Objections objections) {
  const auto& settings = bridge.settings();
  const auto& profile = settings.profile(wanted.profile.value_or(""));
  Resolved resolved;
  NewRequest& request = resolved.request;
  request.profile = profile.name;
  request.provider = settings.provider(wanted.provider ? *wanted.provider : profile.provider.value_or("")).name;
  request.targets = install_targets(profile, wanted.install);
  if (wanted.cross) {
    request.ask = wanted.cross->ask;
    request.cross_signs = wanted.cross->existing;
  }
  if (wanted.csr) {
    refuse_words_of_keys(wanted);
    refuse_token_target(request.targets);
  } else {
    request.token = settings.token(wanted.token ? *wanted.token : profile.token.value_or("")).name;
    if (!wanted.cross) request.ask = build_ask(wanted.like ? &*wanted.like : nullptr, &profile, wanted.wishes);
    refuse_impossible_targets(request.targets, settings.token(request.token));
  }
  request.deadline = wanted.deadline ? wanted.deadline : profile.deadline;
  request.max_age = profile.max_age;
  // Nobody could give them: the request would wait for ever.
  refuse_profile(profile);
  request.wants_command = wants_command(settings, profile, request.provider);
  request.created_by = actor.name;
  request.asked_by = asked_by(settings, {actor.name});
  const auto terms = release_terms_of(settings, profile, request.provider);
  if (objections == Objections::refused) {  // a check writes nothing
    request.approval = approval_terms_of(settings, terms, store, {actor.name}, bridge.clock().now());
  }
  workflow::Order order;
  order.profile = profile.name;
  bridge.anchors(order);  // unreadable ones are refused now, not when the certificate is there
  bridge.weak_keys();     // likewise, not when the key is
  refuse_import(request.targets, request.provider, bridge.provider(request.provider)->capabilities());

  if (wanted.csr) {
    use_csr(bridge, store, wanted, profile, objections, resolved);
    return resolved;
  }
  if (wanted.new_key.has_value() == wanted.key.has_value()) {
    throw Error{ErrorKind::invalid_input,
                "name the key: --new-key LABEL for one to be made, or --key SELECTOR; or bring a CSR: --csr FILE"};
  }
  if (wanted.new_key) {
    make_key(bridge, store, *wanted.new_key,
             x509::parse_key_spec(wanted.spec ? *wanted.spec : profile.key.value_or("ec:P-256")), request);
  } else {
    if (wanted.spec) throw Error{ErrorKind::invalid_input, "--spec belongs to --new-key: the other key exists"};
    use_key(bridge, store, *wanted.key, accepted_of_key(&profile, wanted.wishes), request);
  }
  return resolved;
}

}  // namespace

Enrolment enroll(const Actor& actor, Bridge& bridge, workflow::Store& store, const NewEnrolment& wanted) {
  try {
    const auto [request, judgement] = resolve(actor, bridge, store, wanted, Objections::refused);
    Enrolment made;
    made.uses_left_over_key = wanted.new_key && request.key.source == workflow::KeyWish::Source::use;
    made.id = create_request(store, request, timing_for(bridge.settings(), request.provider), bridge.clock().now(),
                             random_bytes(8))
                  .id;
    made.advice = x509::advice(request.ask.content);
    made.advice.insert(made.advice.end(), judgement.notes.begin(), judgement.notes.end());
    return made;
  } catch (const Error& error) {
    const std::string open(error.detail("same-order"));
    const std::string done(error.detail("done-by"));
    if (error.kind() != ErrorKind::conflict || (open.empty() && done.empty())) throw;
    return {
        RequestId{open.empty() ? done : open}, open.empty() ? Enrolment::How::done : Enrolment::How::open, false, {}};
  }
}

EnrolmentCheck check_enrolment(const Actor& actor, Bridge& bridge, workflow::Store& store, const NewEnrolment& wanted) {
  const auto [request, judgement] = resolve(actor, bridge, store, wanted, Objections::collected);
  using Source = workflow::KeyWish::Source;
  EnrolmentCheck check;
  check.provider = request.provider;
  check.profile = request.profile;
  check.notes = x509::advice(request.ask.content);
  check.notes.insert(check.notes.end(), judgement.notes.begin(), judgement.notes.end());
  check.dry_run = "the provider has no dry run";
  if (!judgement.objections.empty()) {
    for (const auto& fault : judgement.objections) {
      check.csr_faults.push_back(fmt::format("{}: {}", fault.name, sentence_of(fault)));
    }
    if (auto hint = copy_hint(bridge.settings().profile(request.profile), judgement); !hint.empty()) {
      check.notes.push_back(std::move(hint));
    }
    check.dry_run = "the provider was not asked, since the CSR is refused";
    return check;
  }
  const bool made = request.key.source == Source::make;
  const auto now = bridge.clock().now();
  workflow::Order order = order_of(request);
  order.id = RequestId(std::string(16, '0'));
  order.created_at = now;
  Bytes csr = made                                    ? unsigned_csr(request)
              : request.key.source == Source::brought ? request.key.csr
                                                      : signed_csr(bridge, request);
  const auto provider = bridge.provider(request.provider);
  auto added = provider->trial_draft(order, csr, now);
  check.notes.insert(check.notes.end(), added.notes.begin(), added.notes.end());
  const workflow::Draft draft = draft_of(std::move(csr), std::move(added), now);
  workflow::Key key;
  if (request.key.source == Source::brought) key.spki = request.key.spki;
  const workflow::ProviderCall call{order, key, draft, 1, nullptr, now, kCheckLimit};
  check.reasons = provider->check(call);
  if (check.reasons.empty()) check.reasons = fatal_once_signed(order, draft, now);
  auto* service = dynamic_cast<workflow::DryRun*>(provider.get());
  if (service != nullptr && made) {
    check.dry_run = "its dry run requires a signed CSR: name an existing key with --key";
  } else if (service != nullptr) {
    check.objections = service->dry_run(call);
    check.dry_run = check.objections.empty() ? "its dry run accepts the request" : "its dry run refuses the request";
  }
  return check;
}

}  // namespace hsmbridge::service
