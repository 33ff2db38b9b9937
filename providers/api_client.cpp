#include "providers/api_client.h"

#include "base/log.h"
#include "base/wipe.h"

#include <algorithm>

namespace hsmbridge::providers {
namespace {

constexpr unsigned kMostRounds = 8;  // more credentials than anybody has configured for one purpose

void expect_account(const Credentials::Held& held, const std::string& account) {
  if (account.empty() || held.account == account) return;
  throw Error{
      ErrorKind::unavailable,
      fmt::format("the credentials are {} now, and were those of {} when the account was read: nothing was sent",
                  held.account.empty() ? "other ones" : "those of " + held.account, account)};
}

}  // namespace

ApiClient::ApiClient(std::shared_ptr<net::Transport> transport, const Dialect& dialect,
                     std::vector<CredentialHeader> credentials, const Clock& clock)
    : transport_(std::move(transport)), dialect_(dialect), credentials_(std::move(credentials)), clock_(clock) {}

Answer ApiClient::call(net::Request request, Duration limit, const Terms& terms) {
  const Duration end = clock_.since_boot() + limit;
  const std::string what =
      terms.name.empty() ? request.method + " " + request.path.substr(0, request.path.find('?')) : terms.name;
  const auto has = [&](std::string_view name) {
    return std::any_of(request.headers.begin(), request.headers.end(),
                       [&](const auto& one) { return one.first == name; });
  };
  if (!dialect_.accept.empty() && !has("Accept")) request.headers.emplace_back("Accept", dialect_.accept);
  if ((dialect_.always_typed || !request.body.empty()) && !has("Content-Type")) {
    request.headers.emplace_back("Content-Type", "application/json");
  }
  const std::vector<CredentialHeader>& headers = terms.credentials == nullptr ? credentials_ : *terms.credentials;
  const std::size_t plain = request.headers.size();
  const std::vector<Secret> own = request.secrets;
  for (unsigned round = 1;; ++round) {
    std::vector<Secret> sent;
    net::Exchange exchange;
    try {
      for (std::size_t i = plain; i < request.headers.size(); ++i) wipe(request.headers[i].second);
      request.headers.resize(plain);
      for (const CredentialHeader& header : headers) {
        const Credentials::Held held = header.credentials->current(end - clock_.since_boot());
        expect_account(held, terms.account);
        request.headers.emplace_back(header.name, header.prefix + std::string(held.secret.reveal()));
        sent.push_back(held.secret);
      }
      request.secrets = secrets_at_hand();
      request.secrets.insert(request.secrets.end(), own.begin(), own.end());
      request.time_limit = end - clock_.since_boot();
      if (request.time_limit <= Duration::zero()) {
        throw Error{ErrorKind::unavailable, what + ": the time limit was over before it was sent"};
      }
      exchange = transport_->send(request);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::internal) throw;
      // Credentials are got, and a client key signs, before a byte leaves; a transport speaks of its own trouble
      // without throwing.
      return Answer(dialect_, what, error);
    }
    Answer answer(dialect_, what, std::move(exchange), clock_.now(), terms.refused);
    if (const auto date = answer.date()) {
      const std::lock_guard lock(mutex_);
      ahead_ = *date - clock_.now();
    }
    bool another = false;
    const auto refused = answer.refused() ? answer.refused()->credential : std::nullopt;
    for (std::size_t i = 0; i < sent.size(); ++i) {
      Credentials& used = *headers[i].credentials;
      if (refused && (refused->empty() || *refused == headers[i].name)) {
        another = used.replace(sent[i]) || another;
      } else if (answer.has_status(401) && !answer.refused()) {
        used.doubted();
      } else if (answer.response() != nullptr) {
        used.taken(sent[i]);
      }
    }
    // Other threads' calls may give another one each time: this one is not repeated indefinitely.
    if (!another || round == kMostRounds) return answer;
    // What creates something is one request in one attempt, whoever says that the first was refused at the gate.
    if (request.repeat == net::Repeat::never) {
      answer.means(Answer::Credential::another_next);
      return answer;
    }
  }
}

Answer ApiClient::post(std::string path, std::string body, Duration limit, const Terms& terms) {
  return call({"POST", std::move(path), {}, std::move(body), net::Repeat::allowed}, limit, terms);
}

Answer ApiClient::once(std::string method, std::string path, std::string body, Duration limit,
                       std::optional<Duration> call_until, const Terms& terms) {
  return call({std::move(method), std::move(path), {}, std::move(body), net::Repeat::never, {}, call_until}, limit,
              terms);
}

std::string ApiClient::told_account(Duration limit) const {
  return credentials_.empty() ? std::string{} : credentials_.front().credentials->current(limit).account;
}

std::string ApiClient::asked_account(Duration age, Duration limit, const std::function<std::string(Duration)>& ask) {
  const Duration begin = clock_.since_boot();
  const std::optional<Credentials::Held> held =
      credentials_.empty() ? std::nullopt : std::optional(credentials_.front().credentials->current(limit));
  {
    // One that was replaced meanwhile is nobody's until the service is asked again.
    const std::lock_guard lock(mutex_);
    const bool current = account_ && begin - account_asked_at_ < age && (!held || held->account == *account_);
    if (current) return *account_;
  }
  const std::string said = [&]() -> std::string {
    try {
      return ask(limit - (clock_.since_boot() - begin));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::unavailable || error.detail("http") == "401") throw;
      log::debug(fmt::format("who we are at {} is not shown: {}", dialect_.service, error.message()));
      return "";
    }
  }();
  if (held) credentials_.front().credentials->belongs_to(held->secret, said);
  const std::lock_guard lock(mutex_);
  account_ = said;
  account_asked_at_ = clock_.since_boot();
  return said;
}

void ApiClient::leave_out(const Secret& secret) {
  constexpr std::size_t kMost = 8;  // passwords that were changed meanwhile
  const std::lock_guard lock(mutex_);
  const auto known = std::find_if(left_out_.begin(), left_out_.end(),
                                  [&](const Secret& one) { return one.reveal() == secret.reveal(); });
  if (secret.empty() || known != left_out_.end()) return;
  if (left_out_.size() == kMost) left_out_.erase(left_out_.begin());
  left_out_.push_back(secret);
}

// What this server was told in whatever call: it may repeat any of it in any other.
std::vector<Secret> ApiClient::secrets_at_hand() {
  std::vector<Secret> secrets = [&] {
    const std::lock_guard lock(mutex_);
    return left_out_;
  }();
  for (const CredentialHeader& header : credentials_) {
    for (Secret& one : header.credentials->known()) secrets.push_back(std::move(one));
  }
  return secrets;
}

std::optional<Duration> ApiClient::server_ahead() const {
  const std::lock_guard lock(mutex_);
  return ahead_;
}

}  // namespace hsmbridge::providers
