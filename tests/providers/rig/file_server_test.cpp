#include "tools/rig/server/file_server.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "support/temp_folder.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <memory>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

// What curl gets: the status, the media type and the body.
std::string fetched(const TempFolder& folder, const std::string& url) {
  const std::string line = "curl -sS -o '" + (folder / "body").string() +
                           "' -w '%{http_code} %{content_type}' --path-as-is '" + url + "' >'" +
                           (folder / "status").string() + "'";
  if (std::system(line.c_str()) != 0) return "";
  const auto text = [&](const char* name) { return to_text(read_file(folder / name)); };
  return text("status") + " " + text("body");
}

}  // namespace

TEST_CASE("the rig's web server serves one folder, and has its address again after a restart") {
  const TempFolder folder;
  auto server = std::make_unique<rig::FileServer>(folder / "files", std::nullopt);
  write_file(folder / "files" / "public" / "a.crl", as_bytes("crl"), FileMode::public_0644, Existing::refuse);
  const std::string url = server->url();
  CHECK(fetched(folder, url + "/a.crl") == "200 application/pkix-crl crl");
  CHECK(fetched(folder, url + "/b.crl").substr(0, 3) == "404");
  CHECK(fetched(folder, url + "/../files.json").substr(0, 3) == "404");
  const Json about = Json::parse(as_text(read_file(folder / "files" / "files.json")));
  CHECK(about.at("url").as_string() == url);

  server.reset();
  CHECK(fetched(folder, url + "/a.crl") == "");
  server = std::make_unique<rig::FileServer>(folder / "files", std::nullopt);
  CHECK(server->url() == url);
  // Another one that wants that port is refused, and one that does not care gets another.
  const int port = static_cast<int>(about.at("port").as_integer());
  CHECK_THROWS_AS(rig::FileServer(folder / "others", port), Error);
  CHECK(rig::FileServer(folder / "others", std::nullopt).url() != url);
}
