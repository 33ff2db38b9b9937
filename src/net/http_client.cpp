// The one file that knows libcurl.
#include "net/http_client.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/trust.h"
#include "base/wipe.h"
#include "net/url.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <fmt/core.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <mutex>

namespace hsmbridge::net {
namespace {

constexpr std::size_t kLargestHeaders = 256U << 10U;

// The functions of libcurl that this program calls (curl.h has their descriptions). The library is loaded and
// initialised at the first call of curl() and not with the program: with the twenty libraries that it needs it takes
// longer than all the rest of a start, and most commands speak to no provider.
struct CurlLibrary {
  decltype(&::curl_global_init) global_init;
  decltype(&::curl_easy_init) easy_init;
  decltype(&::curl_easy_setopt) easy_setopt;
  decltype(&::curl_easy_perform) easy_perform;
  decltype(&::curl_easy_getinfo) easy_getinfo;
  decltype(&::curl_easy_reset) easy_reset;
  decltype(&::curl_easy_cleanup) easy_cleanup;
  decltype(&::curl_easy_strerror) easy_strerror;
  decltype(&::curl_slist_append) slist_append;
  decltype(&::curl_slist_free_all) slist_free_all;
  decltype(&::curl_strequal) strequal;
};

// The ABI that curl.h describes has had this name since 2006.
constexpr const char* kName = "libcurl.so.4";

[[noreturn]] void refuse_library() {
  const char* why = ::dlerror();
  throw Error{ErrorKind::unavailable, fmt::format("{} cannot be loaded: {}", kName, why == nullptr ? "?" : why)}.hint(
      "install the package libcurl4");
}

// Never closed: its threads and exit handlers may outlast whoever used it.
CurlLibrary load() {
  void* library = ::dlopen(kName, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) refuse_library();
  const auto find = [&]<class Function>(Function& function, const char* name) {
    void* symbol = ::dlsym(library, name);
    if (symbol == nullptr) refuse_library();
    function = reinterpret_cast<Function>(symbol);
  };
  CurlLibrary curl{};
  find(curl.global_init, "curl_global_init");
  find(curl.easy_init, "curl_easy_init");
  find(curl.easy_setopt, "curl_easy_setopt");
  find(curl.easy_perform, "curl_easy_perform");
  find(curl.easy_getinfo, "curl_easy_getinfo");
  find(curl.easy_reset, "curl_easy_reset");
  find(curl.easy_cleanup, "curl_easy_cleanup");
  find(curl.easy_strerror, "curl_easy_strerror");
  find(curl.slist_append, "curl_slist_append");
  find(curl.slist_free_all, "curl_slist_free_all");
  find(curl.strequal, "curl_strequal");
  if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    throw Error{ErrorKind::unavailable, "libcurl cannot be initialised"};
  }
  return curl;
}

// Throws unavailable when the library cannot be loaded or lacks a function.
const CurlLibrary& curl() {
  static const CurlLibrary library = load();
  return library;
}

struct HandleDeleter {
  void operator()(CURL* handle) const { curl().easy_cleanup(handle); }
};
using Handle = std::unique_ptr<CURL, HandleDeleter>;

// The headers hold credentials: libcurl's copy of them is overwritten too.
struct ListDeleter {
  void operator()(curl_slist* list) const {
    for (curl_slist* one = list; one != nullptr; one = one->next) ::OPENSSL_cleanse(one->data, std::strlen(one->data));
    curl().slist_free_all(list);
  }
};
using List = std::unique_ptr<curl_slist, ListDeleter>;

template <class Value>
void set(CURL* handle, CURLoption option, Value value) {
  const CURLcode code = curl().easy_setopt(handle, option, value);
  if (code != CURLE_OK) {
    throw Error{ErrorKind::internal,
                fmt::format("libcurl refuses option {}: {}", static_cast<int>(option), curl().easy_strerror(code))};
  }
}

// What one call has seen so far. The callbacks fill it; none of them throws into libcurl.
struct Transfer {
  const TlsHook* hook = nullptr;
  std::size_t largest_body = 0;
  Duration boot_deadline{};
  Bytes authorities;             // PEM
  bool request_started = false;  // libcurl was about to write the first octet of the request
  bool answer_started = false;
  bool too_large = false;
  bool too_late = false;
  bool closed_properly = false;  // close_notify came: nobody cut the connection
  int refusal_alert = 0;         // a TLS alert by which the server refuses our certificate, or 0
  std::size_t header_size = 0;
  Headers headers;
  std::string body;
  std::exception_ptr failure;
};

// The transfer that this thread performs. OpenSSL's information callback belongs to a connection, which outlives the
// transfer that opened it; so it finds the present one here and not through a pointer kept in the connection.
thread_local Transfer* current_transfer = nullptr;

// Alerts by which a server says that the certificate of its client is missing or not good enough, or that its signature
// does not verify (RFC 8446 §6.2). All of them are sent in a handshake only.
// With TLS 1.3 they arrive after the client took the handshake for done and has written its request; the server has not
// read it, since application data is read after a good handshake only.
bool refuses_client_certificate(int alert) {
  constexpr std::array kAlerts{SSL_AD_BAD_CERTIFICATE,     SSL_AD_UNSUPPORTED_CERTIFICATE, SSL_AD_CERTIFICATE_REVOKED,
                               SSL_AD_CERTIFICATE_EXPIRED, SSL_AD_CERTIFICATE_UNKNOWN,     SSL_AD_UNKNOWN_CA,
                               SSL_AD_ACCESS_DENIED,       SSL_AD_CERTIFICATE_REQUIRED,    SSL_AD_DECRYPT_ERROR};
  return std::find(kAlerts.begin(), kAlerts.end(), alert) != kAlerts.end();
}

void on_tls_event(const SSL*, int where, int value) noexcept {
  if (current_transfer == nullptr || (where & SSL_CB_READ_ALERT) != SSL_CB_READ_ALERT) return;
  const int description = value & 0xff;
  if (description == SSL_AD_CLOSE_NOTIFY) current_transfer->closed_properly = true;
  if (refuses_client_certificate(description)) current_transfer->refusal_alert = description;
}

CURLcode on_tls_context(CURL*, void* context, void* user) noexcept {
  auto& transfer = *static_cast<Transfer*>(user);
  try {
    ::SSL_CTX_set_info_callback(static_cast<SSL_CTX*>(context), on_tls_event);
    // libcurl writes every session's secrets into the file that SSLKEYLOGFILE names: with them the API keys can be read
    // from a recorded connection. What is in the environment is not ours to obey.
    ::SSL_CTX_set_keylog_callback(static_cast<SSL_CTX*>(context), nullptr);
    // One handshake, one signature: libcurl lets the server of TLS 1.3 ask for the client's certificate again at any
    // time, and in TLS 1.2 OpenSSL lets it begin another handshake. Each time the client's key would sign, once more
    // than what was written down.
    ::SSL_CTX_set_post_handshake_auth(static_cast<SSL_CTX*>(context), 0);
    ::SSL_CTX_set_options(static_cast<SSL_CTX*>(context), SSL_OP_NO_RENEGOTIATION);
    if (*transfer.hook) (*transfer.hook)(context);
    return CURLE_OK;
  } catch (...) {
    transfer.failure = std::current_exception();
    return CURLE_SSL_CERTPROBLEM;
  }
}

bool past(Duration boot_deadline) {
  return SystemClock().since_boot() >= boot_deadline;
}

Duration deadline_of(const Request& request) {
  const Duration end = SystemClock().since_boot() + request.time_limit;
  return request.call_until ? std::min(end, *request.call_until) : end;
}

// libcurl calls it when the connection stands, TLS included, just before it writes the request. A machine that slept
// meanwhile must not send on a lease that ended: libcurl's own clock does not count the sleep.
int on_request_start(void* user, char*, char*, int, int) noexcept {
  auto& transfer = *static_cast<Transfer*>(user);
  try {
    if (past(transfer.boot_deadline)) {
      transfer.too_late = true;
      return CURL_PREREQFUNC_ABORT;
    }
  } catch (...) {
    transfer.failure = std::current_exception();
    return CURL_PREREQFUNC_ABORT;
  }
  transfer.request_started = true;
  return CURL_PREREQFUNC_OK;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) noexcept {
  auto& transfer = *static_cast<Transfer*>(user);
  try {
    if (!past(transfer.boot_deadline)) return 0;
    transfer.too_late = true;
  } catch (...) {
    transfer.failure = std::current_exception();
  }
  return 1;
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) noexcept {
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.answer_started = true;
  try {
    transfer.header_size += size;
    if (transfer.header_size > kLargestHeaders) {
      transfer.too_large = true;
      return 0;
    }
    std::string_view line(data, size);
    // Each answer starts with its status line: what an interim 1xx carried before is forgotten.
    if (line.starts_with("HTTP/")) {
      transfer.headers.clear();
      return size;
    }
    while (line.ends_with('\n') || line.ends_with('\r') || line.ends_with(' ') || line.ends_with('\t')) {
      line.remove_suffix(1);
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return size;
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
    transfer.headers.emplace_back(line.substr(0, colon), value);
    return size;
  } catch (...) {
    transfer.failure = std::current_exception();
    return 0;
  }
}

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) noexcept {
  auto& transfer = *static_cast<Transfer*>(user);
  try {
    if (transfer.body.size() + size > transfer.largest_body) {
      transfer.too_large = true;
      return 0;
    }
    transfer.body.append(data, size);
    return size;
  } catch (...) {
    transfer.failure = std::current_exception();
    return 0;
  }
}

bool is_token(std::string_view text) {  // RFC 9110 §5.6.2
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

List header_list(const Headers& headers) {
  List list;
  bool typed = false;
  const auto append = [&list](const std::string& line) {
    curl_slist* longer = curl().slist_append(list.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    static_cast<void>(list.release());
    list.reset(longer);
  };
  for (const auto& [name, value] : headers) {
    const bool clean =
        std::none_of(value.begin(), value.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
    // The value may be a credential: it is not repeated.
    if (!is_token(name)) {
      throw Error{ErrorKind::invalid_input, "a header name holds a character that HTTP does not allow"};
    }
    if (!clean) throw Error{ErrorKind::invalid_input, fmt::format("the value of header {} holds a line break", name)};
    typed = typed || curl().strequal(name.c_str(), "Content-Type") != 0;
    std::string line = value.empty() ? name + ";" : name + ": " + value;  // libcurl's form of an empty header
    append(line);
    wipe(line);
  }
  if (!typed) append("Content-Type:");  // else libcurl calls every body a form
  append("Expect:");                    // no 100-continue: it would be a second way to be half sent
  return list;
}

// An answer without a length is as long as its connection. libcurl takes a connection that was cut for one that was
// closed; only TLS's close_notify tells them apart (RFC 9112 §9.8 calls such an answer incomplete without it).
bool ends_with_connection(const Response& response) {
  const bool has_body = response.status != 204 && response.status != 304;
  return has_body && !response.header("Content-Length") && !response.header("Transfer-Encoding");
}

// "https://host:port/path" without the query, for the log.
std::string_view without_query(std::string_view url) {
  return url.substr(0, url.find('?'));
}

std::string authority_of(const std::string& url) {
  const std::size_t start = url.find("://") + 3;
  return url.substr(start, url.find('/', start) - start);
}

std::string detail_of(CURLcode code, const char* buffer) {
  std::string text = buffer[0] != '\0' ? buffer : curl().easy_strerror(code);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

NotSent not_sent(CURLcode code, const std::string& authority, const std::string& detail, Duration limit) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return {fmt::format("the name of {} cannot be resolved ({})", authority, detail), ""};
    case CURLE_COULDNT_RESOLVE_PROXY:
      return {fmt::format("the name of the proxy cannot be resolved ({})", detail), ""};
    case CURLE_COULDNT_CONNECT:
      return {fmt::format("{} takes no connection ({})", authority, detail), ""};
    case CURLE_PEER_FAILED_VERIFICATION:
      return {fmt::format("the certificate of {} is not trusted ({})", authority, detail),
              "name the CA that issued it in `ca`, and the host as the certificate does in `url`"};
    case CURLE_SSL_CONNECT_ERROR:
      return {fmt::format("the TLS handshake with {} failed ({})", authority, detail),
              "is it a TLS port, does the server speak TLS 1.2 or newer, and does it want a client certificate?"};
    case CURLE_SSL_CACERT_BADFILE:
      return {fmt::format("the CA file for {} cannot be used ({})", authority, detail), ""};
    case CURLE_SSL_CERTPROBLEM:
      return {fmt::format("the client certificate for {} cannot be used ({})", authority, detail), ""};
    case CURLE_OPERATION_TIMEDOUT:
      return {fmt::format("no connection to {} within {}", authority, spoken(limit)), ""};
    default:
      return {fmt::format("nothing was sent to {} ({})", authority, detail), ""};
  }
}

long milliseconds(Duration duration) {
  // libcurl takes 0 for "no limit".
  return static_cast<long>(std::clamp<Duration::rep>(duration.count(), 1, 24L * 3600 * 1000));
}

// What every call has, whatever it speaks.
struct Frame {
  const std::string& url;
  const char* protocol;
  Duration time_limit, connect_limit;
};

void set_frame(CURL* handle, const Frame& frame, Transfer& transfer, char* problem) {
  set(handle, CURLOPT_ERRORBUFFER, problem);
  set(handle, CURLOPT_NOSIGNAL, 1L);
  set(handle, CURLOPT_PROTOCOLS_STR, frame.protocol);
  set(handle, CURLOPT_URL, frame.url.c_str());
  set(handle, CURLOPT_PATH_AS_IS, 1L);
  set(handle, CURLOPT_USERAGENT, "hsmbridge/" HSMBRIDGE_VERSION);
  set(handle, CURLOPT_FOLLOWLOCATION, 0L);
  // One request, one connection, answers in order: what was sent and what was not stays a plain question.
  set(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(handle, CURLOPT_TIMEOUT_MS, milliseconds(frame.time_limit));
  set(handle, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(std::min(frame.connect_limit, frame.time_limit)));
  // "" says no proxy, whatever the environment says.
  set(handle, CURLOPT_PROXY, "");
  set(handle, CURLOPT_NOPROXY, "");
  set(handle, CURLOPT_PREREQFUNCTION, on_request_start);
  set(handle, CURLOPT_PREREQDATA, &transfer);
  set(handle, CURLOPT_NOPROGRESS, 0L);
  set(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
  set(handle, CURLOPT_XFERINFODATA, &transfer);
  set(handle, CURLOPT_HEADERFUNCTION, on_header);
  set(handle, CURLOPT_HEADERDATA, &transfer);
  set(handle, CURLOPT_WRITEFUNCTION, on_body);
  set(handle, CURLOPT_WRITEDATA, &transfer);
}

void set_method(CURL* handle, const Request& request) {
  constexpr std::array<std::string_view, 5> kMethods{"GET", "POST", "PUT", "PATCH", "DELETE"};
  if (std::find(kMethods.begin(), kMethods.end(), request.method) == kMethods.end()) {
    throw Error{ErrorKind::invalid_input, fmt::format("HTTP method '{}' is not used here", request.method)};
  }
  const bool has_body = !request.body.empty() || (request.method != "GET" && request.method != "DELETE");
  if (has_body) {
    set(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(handle, CURLOPT_POSTFIELDS, request.body.c_str());
  }
  set(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

Handle fresh() {
  Handle handle(curl().easy_init());
  if (!handle) throw Error{ErrorKind::internal, "libcurl gives no handle"};
  return handle;
}

Exchange failure(CURLcode code, const Transfer& transfer, const std::string& authority, const std::string& detail,
                 Duration limit, const ClientOptions& options) {
  if (!transfer.answer_started && transfer.refusal_alert != 0) {
    return NotSent{fmt::format("{} refused our client certificate (TLS alert {}, {})", authority,
                               transfer.refusal_alert, ::SSL_alert_desc_string_long(transfer.refusal_alert)),
                   options.client_certificate || options.tls_hook ? "" : "this server wants a client certificate"};
  }
  if (!transfer.request_started) {
    if (transfer.too_late) return NotSent{fmt::format("no connection to {} within {}", authority, spoken(limit)), ""};
    return not_sent(code, authority, detail, std::min(options.connect_limit, limit));
  }
  if (transfer.too_large) {
    return OutcomeUnknown{fmt::format("{} sent an answer larger than {} bytes, which was not read to its end",
                                      authority, options.largest_body),
                          true};
  }
  if (transfer.too_late || code == CURLE_OPERATION_TIMEDOUT) {
    return OutcomeUnknown{fmt::format("{} did not answer completely within {}", authority, spoken(limit))};
  }
  return OutcomeUnknown{fmt::format("the answer of {} was lost ({})", authority, detail)};
}

// What was carried, and how it was.
CURLcode perform(CURL* handle, Transfer& transfer, std::string_view method, const std::string& url, long& status) {
  const auto start = std::chrono::steady_clock::now();
  current_transfer = &transfer;
  const CURLcode code = curl().easy_perform(handle);
  current_transfer = nullptr;
  const auto took = std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - start);
  if (transfer.failure) std::rethrow_exception(transfer.failure);
  curl().easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  log::debug(fmt::format("{} {}: {} in {}", method, without_query(url),
                         code == CURLE_OK ? std::to_string(status) : curl().easy_strerror(code), duration_text(took)));
  return code;
}

}  // namespace

class HttpClient::Impl {
 public:
  Impl(Url service, ClientOptions options) : service_(std::move(service)), options_(std::move(options)) {
    static_cast<void>(curl());  // who cannot call anybody shall hear it before anything is ordered
    if (options_.ca_file) static_cast<void>(authorities());
    if (options_.client_certificate.has_value() != options_.client_key.has_value()) {
      throw Error{ErrorKind::invalid_input, "a client certificate needs its key file, and the key its certificate"};
    }
    if (options_.client_certificate && options_.tls_hook) {
      throw Error{ErrorKind::invalid_input, "the client key is either in files or in a token, not both"};
    }
    if (options_.client_certificate) static_cast<void>(read_file(*options_.client_certificate));
    if (options_.client_key) static_cast<void>(read_secret_file(*options_.client_key));
    if (options_.proxy && (!options_.proxy->starts_with("http://") || options_.proxy->find('@') != std::string::npos)) {
      throw Error{ErrorKind::invalid_input, "a proxy is written http://HOST:PORT, without a name or password"};
    }
  }

  Exchange carry(const Request& request) {
    const std::string url = service_.at(request.path);
    const std::string authority = authority_of(url);
    const List headers = header_list(request.headers);
    Handle handle = request.repeat == Repeat::allowed ? borrow() : fresh();
    Transfer transfer;
    transfer.hook = &options_.tls_hook;
    transfer.largest_body = options_.largest_body;
    transfer.boot_deadline = deadline_of(request);
    if (past(transfer.boot_deadline)) {
      return NotSent{fmt::format("the time for the call to {} was over before it was begun", authority), ""};
    }
    std::array<char, CURL_ERROR_SIZE> problem{};
    if (options_.ca_file) {
      try {
        transfer.authorities = authorities();
      } catch (const Error& error) {
        return NotSent{fmt::format("the CA file for {} cannot be used: {}", authority, error.message()), error.hint()};
      }
    }
    prepare(handle.get(), request, url, headers.get(), transfer, problem.data());

    long status = 0;
    const CURLcode code = perform(handle.get(), transfer, request.method, url, status);
    if (code == CURLE_OK) {
      if (request.repeat == Repeat::allowed) give_back(std::move(handle));
      Response response{status, std::move(transfer.headers), std::move(transfer.body)};
      if (ends_with_connection(response) && !transfer.closed_properly) {
        return OutcomeUnknown{
            fmt::format("the connection to {} ended and did not say that the answer was complete", authority)};
      }
      return response;
    }
    return failure(code, transfer, authority, detail_of(code, problem.data()), request.time_limit, options_);
  }

 private:
  // Read for each call, since it may be replaced while this program runs; its bytes are given to libcurl, which would
  // open whatever has its name then.
  Bytes authorities() const { return read_trusted(*options_.ca_file, kBelieved); }
  // A handle keeps its connections; one that had an error is not given back.
  Handle borrow() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return fresh();
    Handle handle = std::move(idle_.back());
    idle_.pop_back();
    curl().easy_reset(handle.get());  // forgets the options, keeps the connections
    return handle;
  }
  void give_back(Handle handle) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(handle));
  }

  void prepare(CURL* handle, const Request& request, const std::string& url, curl_slist* headers, Transfer& transfer,
               char* problem) const {
    set_frame(handle, {url, "https", request.time_limit, options_.connect_limit}, transfer, problem);
    set_method(handle, request);
    set(handle, CURLOPT_HTTPHEADER, headers);
    if (request.repeat == Repeat::never) {
      set(handle, CURLOPT_FRESH_CONNECT, 1L);
      set(handle, CURLOPT_FORBID_REUSE, 1L);
    }

    set(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(handle, CURLOPT_SSL_VERIFYPEER, 1L);
    set(handle, CURLOPT_SSL_VERIFYHOST, 2L);
    if (options_.ca_file) {
      curl_blob pem{transfer.authorities.data(), transfer.authorities.size(), CURL_BLOB_COPY};
      set(handle, CURLOPT_CAINFO_BLOB, &pem);
      // Debian's libcurl also looks into the system's folder of CAs unless it is taken away.
      set(handle, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    }
    if (options_.client_certificate) {
      set(handle, CURLOPT_SSLCERT, options_.client_certificate->c_str());
      set(handle, CURLOPT_SSLKEY, options_.client_key->c_str());
    }
    set(handle, CURLOPT_SSL_CTX_FUNCTION, on_tls_context);
    set(handle, CURLOPT_SSL_CTX_DATA, &transfer);

    if (options_.proxy) set(handle, CURLOPT_PROXY, options_.proxy->c_str());
    set(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  }

  const Url service_;
  ClientOptions options_;
  std::mutex mutex_;
  std::vector<Handle> idle_;
};

HttpClient::HttpClient(Url service, ClientOptions options)
    : impl_(std::make_unique<Impl>(std::move(service), std::move(options))) {}

HttpClient::~HttpClient() = default;

Exchange HttpClient::carry(const Request& request) {
  return impl_->carry(request);
}

// In the URL stands the name that the service is told (RFC 9110 §7.2); nothing is resolved.
Exchange SocketClient::carry(const Request& request) {
  try {
    expect_trusted(socket_, kBelieved);
  } catch (const Error& error) {
    return NotSent{error.message(), error.hint()};
  }
  static const TlsHook kNone;
  const std::string url = "http://localhost" + request.path;
  const List headers = header_list(request.headers);
  const Handle handle = fresh();
  ClientOptions options;
  Transfer transfer;
  transfer.hook = &kNone;
  transfer.largest_body = options.largest_body;
  transfer.boot_deadline = deadline_of(request);
  std::array<char, CURL_ERROR_SIZE> problem{};
  set_frame(handle.get(), {url, "http", request.time_limit, options.connect_limit}, transfer, problem.data());
  set_method(handle.get(), request);
  set(handle.get(), CURLOPT_HTTPHEADER, headers.get());
  set(handle.get(), CURLOPT_UNIX_SOCKET_PATH, socket_.c_str());
  long status = 0;
  const CURLcode code = perform(handle.get(), transfer, request.method, url, status);
  if (code == CURLE_OK) {
    Response response{status, std::move(transfer.headers), std::move(transfer.body)};
    if (!ends_with_connection(response)) return response;
    return OutcomeUnknown{fmt::format("the answer of {} does not say where it ends", socket_.string())};
  }
  return failure(code, transfer, socket_.string(), detail_of(code, problem.data()), request.time_limit, options);
}

Exchange fetch_public(const PublicUrl& url, const PublicLimits& limits) {
  static const TlsHook kNone;
  const Handle handle = fresh();
  Transfer transfer;
  transfer.hook = &kNone;
  transfer.largest_body = limits.largest_body;
  transfer.boot_deadline = SystemClock().since_boot() + limits.time;
  ClientOptions options;
  options.largest_body = limits.largest_body;
  std::array<char, CURL_ERROR_SIZE> problem{};
  set_frame(handle.get(), {url.text(), "http", limits.time, options.connect_limit}, transfer, problem.data());
  long status = 0;
  const CURLcode code = perform(handle.get(), transfer, "GET", url.text(), status);
  if (code == CURLE_OK) return Response{status, std::move(transfer.headers), std::move(transfer.body)};
  return failure(code, transfer, url.authority(), detail_of(code, problem.data()), limits.time, options);
}

}  // namespace hsmbridge::net
