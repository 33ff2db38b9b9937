// Stores of version 5, brought up to this one.
#include "old_stores.h"
#include "store/schema.h"
#include "support/requests.h"
#include "workflow/machine/codec.h"

#include <algorithm>
#include <set>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

namespace {

struct Version5 : Version3 {
  Version5() : Version3("5") {}
};

}  // namespace

TEST_CASE_METHOD(Version5, "the store of version 5 has a request in every state, and a copy of it is left") {
  const auto rows = foreign_rows(file, "SELECT DISTINCT state FROM requests");
  CHECK(rows.size() == kStateCount);
  open();
  CHECK(version_of(file) == std::to_string(store::kSchemaVersion));
  REQUIRE(backups().size() == 1);
  CHECK(version_of(backups().front()) == "5");
}

TEST_CASE_METHOD(Version5, "a migrated store of version 5 has the tables, indexes and triggers of a new one") {
  open();
  const std::filesystem::path fresh = folder / "fresh.db";
  SqliteStore::open(fresh, clock);
  CHECK(schema_of(file) == schema_of(fresh));
  CHECK(foreign_rows(file, "PRAGMA integrity_check") == std::vector<std::vector<std::string>>{{"ok"}});
  CHECK(foreign_rows(file, "PRAGMA foreign_key_check").empty());
}

TEST_CASE_METHOD(Version5, "lists show of a store of version 5 what its records say") {
  const auto events = foreign_rows(file, "SELECT request, sequence, body FROM events");
  const auto requests = foreign_rows(file, "SELECT id, order_json, state_json FROM requests");
  auto store = open();
  std::set<std::string> listed;
  for (const RequestLine& line : store->page(RequestQuery{})) {
    CAPTURE(line.id.str());
    listed.insert(line.id.str());
    CHECK(line == line_of(store->find(line.id).value()));
  }
  CHECK(listed.size() == requests.size());
  for (const CertificateLine& line : store->page(CertificateListQuery{})) {
    CHECK(line.provider == "tsb");
    CHECK(line.profile == "server");
    CHECK(line.names == "CN=www.example.com");
  }
  RequestQuery by_name;
  by_name.name = "www.example.com";
  CHECK(store->page(by_name).size() == requests.size() - 1);  // its revocation's certificate cannot be read
  // What was journalled stays as it was, octet by octet, and so does the log over it.
  CHECK(foreign_rows(file, "SELECT request, sequence, body FROM events") == events);
  CHECK(foreign_rows(file, "SELECT id, order_json, state_json FROM requests") == requests);
  CHECK(store->verify_audit(AuditDepth::whole).faults == std::vector<std::string>{});
}

TEST_CASE_METHOD(Version5, "what was put in a file is known by the file after the migration") {
  auto store = open();
  const auto before = foreign_rows(file, "SELECT fingerprint FROM certificates WHERE installed LIKE '%token%'");
  CHECK_FALSE(before.empty());
  CHECK(foreign_rows(file, "SELECT fingerprint FROM certificate_places WHERE target = 'token' ORDER BY 1").size() ==
        before.size());
  // The one that is put there next takes the place of the one that was.
  take(*store, RequestId{"INSTALLING"}, TargetInstalled{"file:/etc/ssl/www.pem"}, clock.now());
  const std::string first =
      foreign_rows(file, "SELECT fingerprint FROM certificate_places WHERE target LIKE 'file:%'").at(0).at(0);
  const std::string other =
      foreign_rows(file, "SELECT fingerprint FROM certificates WHERE fingerprint <> '" + first + "'").at(0).at(0);
  store->note_installed(other, {"file:/etc/ssl/www.pem", "/etc/ssl/www.pem"}, "uid:ann", clock.now());
  const auto places = store->certificate(first)->installed;
  CHECK(std::find(places.begin(), places.end(), "file:/etc/ssl/www.pem") == places.end());
}

TEST_CASE_METHOD(Version5, "a request of version 5 that cannot be read keeps no other one from being listed") {
  REQUIRE(
      foreign(file,
              "DROP TRIGGER orders_never_change; UPDATE requests SET order_json = '{\"provider\":\"tsb\"}' WHERE id = "
              "'COMPLETED'; UPDATE requests SET state_json = 'x' WHERE id = 'PREPARING'")
          .empty());
  const auto count = foreign_rows(file, "SELECT id FROM requests").size();
  auto store = open();
  const auto lines = store->page(RequestQuery{});
  CHECK(lines.size() == count - 1);
  const auto preparing =
      std::find_if(lines.begin(), lines.end(), [](const auto& line) { return line.id == RequestId{"PREPARING"}; });
  REQUIRE(preparing != lines.end());
  CHECK(preparing->names == "CN=www.example.com");
}
