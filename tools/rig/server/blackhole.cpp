#include "tools/rig/server/blackhole.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "tools/rig/pki/rig_pki.h"
#include "tools/rig/server/https_server.h"
#include "tools/rig/server/line_file.h"

#include <fmt/core.h>
#include <unistd.h>

namespace hsmbridge::rig {
namespace {

TestPki prepare(const std::filesystem::path& dir) {
  std::filesystem::create_directories(dir);
  return make_test_pki(dir);
}

}  // namespace

class Blackhole::Inside {
 public:
  explicit Inside(const BlackholeOptions& options)
      : dir_(std::filesystem::absolute(options.dir)),
        pki_(prepare(dir_)),
        journal_(dir_ / "blackhole-journal.jsonl"),
        server_({pki_.server, pki_.server_key, pki_.ca, std::nullopt, options.port},
                [this](const Call& call) { return answer(call); }),
        url_(fmt::format("https://127.0.0.1:{}", server_.port())) {
    const Json description =
        Json::object({{"url", url_}, {"ca", pki_.ca.string()}, {"pid", static_cast<std::int64_t>(::getpid())}});
    write_file(dir_ / "blackhole.json", as_bytes(description.pretty() + "\n"), FileMode::private_0600,
               Existing::replace);
  }

  const std::string& url() const { return url_; }
  std::filesystem::path ca() const { return pki_.ca; }
  Json::Array journal() const { return LineFile::read(journal_.path()); }

 private:
  Outcome answer(const Call& call) {
    const bool swallow = call.method == "POST";
    try {
      journal_.append(Json::object({{"time", rfc3339(SystemClock().now())},
                                    {"method", call.method},
                                    {"path", call.target},
                                    {"number_on_connection", call.number_on_connection},
                                    {"status", swallow ? 0 : 200}}));
    } catch (...) {
      log::error(fmt::format("the journal cannot be written: {}", current_error().message()));
    }
    if (swallow) return {{}, Delivery::nothing};
    return {{200, "{}"}};
  }

  std::filesystem::path dir_;
  TestPki pki_;
  LineFile journal_;
  HttpsServer server_;
  std::string url_;
};

Blackhole::Blackhole(const BlackholeOptions& options) : inside_(std::make_unique<Inside>(options)) {}
Blackhole::~Blackhole() = default;
const std::string& Blackhole::url() const {
  return inside_->url();
}
std::filesystem::path Blackhole::ca() const {
  return inside_->ca();
}
Json::Array Blackhole::journal() const {
  return inside_->journal();
}

}  // namespace hsmbridge::rig
