#include "audit/merkle.h"

#include "audit/leaf.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::audit;

namespace {

// The leaves that the Certificate Transparency reference code tests itself with
// (google/certificate-transparency, cpp/merkletree/merkle_tree_test.cc), as hex.
const std::vector<std::string> kLeaves = {
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
// Computed with Python's hashlib by the recursive definition of RFC 6962 §2.1; they are the roots that reference lists.
const std::vector<std::string> kRoots = {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                                         "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                                         "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                                         "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                                         "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                                         "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                                         "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                                         "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

}  // namespace

TEST_CASE("the tree head over the reference leaves is the published one at every size") {
  TreeHead head;
  CHECK(hex(head.root()) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  for (std::size_t i = 0; i < kLeaves.size(); ++i) {
    head.append(leaf_hash(from_hex(kLeaves[i])));
    CHECK(head.size() == i + 1);
    CHECK(hex(head.root()) == kRoots[i]);
  }
}

TEST_CASE("a leaf and a node of the same octets have different hashes") {
  const Hash left = leaf_hash(as_bytes("left"));
  const Hash right = leaf_hash(as_bytes("right"));
  Bytes both(left.begin(), left.end());
  both.insert(both.end(), right.begin(), right.end());
  CHECK(leaf_hash(both) != node_hash(left, right));
}

TEST_CASE("an event leaf binds the body by its hash and is sorted by name") {
  CHECK(event_leaf("ABC", 3, "Created", "{}", "uid:ann", Instant{std::chrono::seconds{0}}) ==
        R"({"actor":"uid:ann","at":"1970-01-01T00:00:00Z",)"
        R"("body_sha256":"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",)"
        R"("event":"Created","request":"ABC","sequence":3})");
}

TEST_CASE("a fact leaf holds the fact with its members sorted at every depth") {
  const Json fact = Json::parse(R"({"b":1,"a":[{"d":2,"c":null}]})");
  CHECK(fact_leaf("key-made", fact, "uid:ann", Instant{std::chrono::seconds{0}}) ==
        R"({"actor":"uid:ann","at":"1970-01-01T00:00:00Z","fact":{"a":[{"c":null,"d":2}],"b":1},"kind":"key-made"})");
}
