// scripts/check-layers guards the arrows between the folders: it must see a violation, and must not see one in good
// code.
#include <sys/wait.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace fs = std::filesystem;

namespace {

class Tree {
 public:
  Tree() {
    std::string name = (fs::temp_directory_path() / "hsmbridge-layers-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Tree() { fs::remove_all(path_); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  void add(const std::string& file, const std::string& content) const {
    fs::create_directories((path_ / file).parent_path());
    std::ofstream(path_ / file) << content;
  }
  // What the check prints, and its exit code.
  std::pair<std::string, int> check() const {
    const std::string command = std::string(HSMBRIDGE_SOURCE "/scripts/check-layers ") + path_.string() + " 2>&1";
    std::FILE* pipe = ::popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::string output;
    std::array<char, 4096> buffer{};
    while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe))
      output.append(buffer.data(), count);
    const int status = ::pclose(pipe);
    return {output, WIFEXITED(status) ? WEXITSTATUS(status) : -1};
  }

 private:
  fs::path path_;
};

}  // namespace

TEST_CASE("an include along the arrows passes the layering check") {
  const Tree tree;
  tree.add("src/base/json.cpp", "#include \"base/json.h\"\n#include <nlohmann/json.hpp>\n#include <openssl/evp.h>\n");
  tree.add("src/workflow/machine/decide.cpp",
           "#include \"workflow/machine/decide.h\"\n#include \"x509/objects/spki.h\"\n");
  tree.add("src/service/enroll.cpp", "#include \"workflow/ports/store.h\"\n#include \"workflow/engine/engine.h\"\n");
  tree.add("tools/hsmbridge/wiring/stores.cpp", "#include \"store/sqlite_store.h\"\n");
  tree.add("pkcs11/token.h", "#include <p11-kit/pkcs11.h>\n#include \"workflow/ports/token.h\"\n");
  tree.add("providers/securosys/client.cpp", "#include \"net/http_client.h\"\n#include \"config/document.h\"\n");
  tree.add("tools/hsmbridge/main.cpp",
           "#include \"service/enroll.h\"\n#include \"providers/securosys/client.h\"\n#include \"pkcs11/token.h\"\n");
  tree.add("tests/unit/net/a_test.cpp", "#include <openssl/ssl.h>\n#include \"support/tls_server.h\"\n");
  CHECK(tree.check() == std::pair<std::string, int>("", 0));
}

TEST_CASE("an include against the arrows is reported with its file and line") {
  const std::vector<std::pair<std::pair<std::string, std::string>, std::string>> cases{
      {{"src/base/a.h", "\n#include \"net/x.h\"\n"}, "src/base/a.h:2: src/base may not know src/net (\"net/x.h\")\n"},
      {{"src/net/a.h", "#include \"config/x.h\"\n"},
       "src/net/a.h:1: src/net may not know src/config (\"config/x.h\")\n"},
      {{"src/workflow/engine/a.cpp", "  #  include \"pkcs11/x.h\"\n"},
       "src/workflow/engine/a.cpp:1: src/workflow may not know pkcs11 (\"pkcs11/x.h\")\n"},
      {{"src/service/a.cpp", "#include \"tools/hsmbridge/x.h\"\n"},
       "src/service/a.cpp:1: src/service may not know tools/hsmbridge (\"tools/hsmbridge/x.h\")\n"},
      {{"pkcs11/a.cpp", "#include \"providers/securosys/x.h\"\n"},
       "pkcs11/a.cpp:1: pkcs11 may not know providers/securosys (\"providers/securosys/x.h\")\n"},
      {{"providers/securosys/a.cpp", "#include \"pkcs11/x.h\"\n"},
       "providers/securosys/a.cpp:1: providers/securosys may not know pkcs11 (\"pkcs11/x.h\")\n"},
      {{"providers/securosys/a.cpp", "#include \"providers/digicert/x.h\"\n"},
       "providers/securosys/a.cpp:1: providers/securosys may not know providers/digicert "
       "(\"providers/digicert/x.h\")\n"},
      {{"tools/rig/tsb/a.cpp", "#include \"providers/securosys/wire.h\"\n"},
       "tools/rig/tsb/a.cpp:1: tools/rig may not know providers/securosys (\"providers/securosys/wire.h\")\n"},
      {{"src/x509/judge/a.cpp", "#include \"spki.h\"\n"},
       "src/x509/judge/a.cpp:1: \"spki.h\" is no path from src/ or from the root of the project\n"},
      {{"src/x509/judge/a.cpp", "#include \"../pkcs11/a.h\"\n"},
       "src/x509/judge/a.cpp:1: \"../pkcs11/a.h\" is no path from src/ or from the root of the project\n"},
      {{"src/new/a.cpp", "\n"}, "src/new/a.cpp:0: this folder is in no row of the table in scripts/check-layers\n"},
  };
  for (const auto& [file, said] : cases) {
    const Tree tree;
    tree.add(file.first, file.second);
    CHECK(tree.check() == std::pair<std::string, int>(said, 1));
  }
}

TEST_CASE("an include from a lower room of a folder to a higher one is reported") {
  const Tree tree;
  tree.add("src/x509/names/a.cpp", "#include \"x509/asn1/der.h\"\n#include \"x509/judge/check.h\"\n");
  tree.add("tools/rig/tsb/a.cpp", "#include \"tools/rig/server/call.h\"\n#include \"tools/rig/venafi/venafi.h\"\n");
  tree.add("pkcs11/a.cpp", "#include \"pkcs11/keys/keys.h\"\n");
  tree.add("src/workflow/attic/a.cpp", "\n");
  CHECK(tree.check() ==
        std::pair<std::string, int>(
            "src/workflow/attic/a.cpp:0: room attic of src/workflow is in no row of the table in scripts/check-layers\n"
            "src/x509/names/a.cpp:2: src/x509: room names may not know room judge (\"x509/judge/check.h\")\n"
            "tools/rig/tsb/a.cpp:2: tools/rig: room tsb may not know room venafi (\"tools/rig/venafi/venafi.h\")\n",
            1));
}

TEST_CASE("a folder that only some rooms may know is kept from all others, below and above them") {
  const Tree tree;
  tree.add("src/service/a.cpp", "#include \"store/sqlite_store.h\"\n");
  tree.add("tools/hsmbridge/main.cpp", "#include \"store/mark.h\"\n");
  tree.add("tools/hsmbridge/text/a.cpp", "#include \"store/sqlite_store.h\"\n");
  tree.add("tools/rig/tsb/a.cpp", "#include \"store/sqlite_store.h\"\n");
  const auto said = [](const std::string& file, const std::string& header) {
    return file + ":1: only tools/hsmbridge/wiring may know src/store (\"" + header + "\")\n";
  };
  CHECK(tree.check() == std::pair<std::string, int>(said("src/service/a.cpp", "store/sqlite_store.h") +
                                                        said("tools/hsmbridge/main.cpp", "store/mark.h") +
                                                        said("tools/hsmbridge/text/a.cpp", "store/sqlite_store.h") +
                                                        said("tools/rig/tsb/a.cpp", "store/sqlite_store.h"),
                                                    1));
}

TEST_CASE("a folder with too many sources is reported once") {
  const Tree tree;
  for (int i = 100; i < 122; ++i) tree.add("src/base/a" + std::to_string(i) + ".cpp", "\n");
  CHECK(tree.check() ==
        std::pair<std::string, int>(
            "src/base/a120.cpp:0: more than 20 sources in src/base: its layers want to be folders\n", 1));
}

TEST_CASE("a heavy library outside its folder or in a header is reported") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"src/net/a.cpp", "nlohmann/json.hpp"},
      {"src/base/a.h", "nlohmann/json.hpp"},
      {"src/net/a.h", "curl/curl.h"},
      {"pkcs11/a.cpp", "curl/curl.h"},
      {"tests/unit/a.cpp", "CLI/CLI.hpp"},
      {"src/store/a.h", "SQLiteCpp/Database.h"},
      {"src/config/a.cpp", "spdlog/spdlog.h"},
      {"providers/local/a.cpp", "openssl/x509.h"},
      {"src/base/a.cpp", "ranges"},
      {"tools/hsmbridge/a.cpp", "httplib.h"},
  };
  for (const auto& [file, header] : cases) {
    INFO(file << " " << header);
    const Tree tree;
    tree.add(file, "#include <" + header + ">\n");
    const auto [said, status] = tree.check();
    CHECK(said.starts_with(file + ":1: <" + header + "> "));
    CHECK(status == 1);
  }
}

TEST_CASE("a command that goes past the use cases is reported") {
  const Tree tree;
  tree.add("tools/hsmbridge/command/key_commands.cpp",
           "#include \"service/keys/keys.h\"\n#include \"views/keys.h\"\n#include \"pkcs11/keys/keys.h\"\n"
           "#include \"x509/objects/csr.h\"\n#include \"workflow/ports/store.h\"\n");
  tree.add("tools/hsmbridge/wiring/keys.cpp", "#include \"pkcs11/keys/keys.h\"\n");
  CHECK(tree.check() ==
        std::pair<std::string, int>(
            "tools/hsmbridge/command/key_commands.cpp:3: tools/hsmbridge/command may not know pkcs11 "
            "(\"pkcs11/keys/keys.h\")\n"
            "tools/hsmbridge/command/key_commands.cpp:4: tools/hsmbridge/command may not know src/x509 "
            "(\"x509/objects/csr.h\")\n"
            "tools/hsmbridge/command/key_commands.cpp:5: tools/hsmbridge/command may not know src/workflow "
            "(\"workflow/ports/store.h\")\n",
            1));
}

TEST_CASE("a signature that does not go through the one door is reported") {
  const Tree tree;
  tree.add("pkcs11/keys/signer.cpp", "session.functions().C_Sign(session.handle(), data);\n");
  tree.add("pkcs11/keys/objects.cpp", "// C_Sign( is for signer.cpp\nf->C_SignInit(h, m, key);\nf.C_UnwrapKey(h);\n");
  tree.add("pkcs11/tls_client_key.cpp", "::PKCS11_get_private_key(key);\n");
  tree.add("tools/rig/pki/a.cpp", "::PKCS11_get_private_key(key);\n");
  tree.add("tests/pkcs11/a_test.cpp", "f->C_SignInit(h, m, key);\n");
  tree.add("providers/venafi/a.cpp", "#include \"pkcs11/keys/signer.h\"\n");
  const auto [said, status] = tree.check();
  CHECK(status == 1);
  CHECK(said.find("pkcs11/keys/objects.cpp:1") == std::string::npos);
  CHECK(said.find("pkcs11/keys/objects.cpp:2: this call belongs to pkcs11/keys/signer.cpp alone") != std::string::npos);
  CHECK(said.find("pkcs11/keys/objects.cpp:3: this call belongs to nobody") != std::string::npos);
  CHECK(said.find("tools/rig/pki/a.cpp:1: this call belongs to pkcs11/tls_client_key.cpp alone") != std::string::npos);
  CHECK(said.find("providers/venafi/a.cpp:1: <pkcs11/keys/signer.h> belongs to pkcs11") != std::string::npos);
  CHECK(said.find("tests/") == std::string::npos);
  CHECK(said.find("pkcs11/keys/signer.cpp:") == std::string::npos);
}

TEST_CASE("a provider that speaks HTTP past the frame is told") {
  const Tree tree;
  tree.add("providers/api_client.cpp", "answer = transport_->send(request);\n");
  tree.add("providers/connection.cpp", "return std::make_shared<net::HttpClient>(url, options);\n");
  tree.add("providers/venafi/a.cpp", "transport->send(request);\n");
  tree.add("tools/hsmbridge/wiring/a.cpp", "net::HttpClient client(url, {});\n");
  const auto [said, status] = tree.check();
  CHECK(status == 1);
  CHECK(said.find("providers/venafi/a.cpp:1: this call belongs to providers/api_client.cpp alone") !=
        std::string::npos);
  CHECK(said.find("tools/hsmbridge/wiring/a.cpp:1: this call belongs to providers/connection.cpp alone") !=
        std::string::npos);
  CHECK(said.find("providers/api_client.cpp:") == std::string::npos);
  CHECK(said.find("providers/connection.cpp:") == std::string::npos);
}

TEST_CASE("a tree without sources does not pass the layering check") {
  const Tree tree;
  CHECK(tree.check().second == 1);
}
