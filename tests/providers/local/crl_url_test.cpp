// What the URL of a CRL gives, and that it is said.
#include "own_ca.h"

using namespace hsmbridge;
using namespace hsmbridge::test;
using Gives = service::CrlAtUrl::Gives;

namespace {

constexpr const char* kUrl = "http://ca.example.com/root.crl";

struct WithUrl : Ca {
  WithUrl() {
    settings.crl->url = kUrl;
    make();
    provider->publish_crl("", clock.now());
  }
  service::CrlAtUrl look() {
    return service::look_at_url(provider->crl_standing().crls.at(0), x509::parse_certificate(anchor), fetch());
  }
  void expect(Gives gives, const std::string& words) {
    const auto found = look();
    INFO(found.sentence);
    CHECK(found.gives == gives);
    CHECK(found.sentence.find(kUrl) == 0);
    CHECK(found.sentence.find(words) != std::string::npos);
  }
  void give(long status, const std::string& body, net::Headers headers = {}) {
    answers.insert_or_assign(kUrl, net::Response{status, std::move(headers), body});
  }
  std::string published() const { return to_text(read_file(settings.crl->file)); }
};

}  // namespace

TEST_CASE_METHOD(WithUrl, "what the URL of a CRL gives is compared to the octet") {
  expect(Gives::the_same, "gives it");
  const std::string first = published();
  std::string changed = first;
  changed.back() ^= 1;
  give(200, changed);
  expect(Gives::something_else, "not a CRL of CN=Root");
  give(200, first + "x");
  expect(Gives::something_else, "not a CRL of CN=Root");
  give(200, "<html>");
  expect(Gives::something_else, "6 octets");
  give(200, "");
  expect(Gives::something_else, "0 octets");
  give(404, first);
  expect(Gives::something_else, "status 404");
  give(503, first);
  expect(Gives::nothing, "status 503");
  give(301, "", {{"Location", "https://ca.example.com/root.crl"}});
  expect(Gives::something_else, "a redirect (status 301 to https://ca.example.com/root.crl)");
  answers.insert_or_assign(kUrl, net::NotSent{"ca.example.com:80 takes no connection"});
  expect(Gives::nothing, "takes no connection");
  answers.insert_or_assign(kUrl, net::OutcomeUnknown{"it sent an answer larger than that", true});
  expect(Gives::something_else, "larger");

  clock.advance(1min);
  provider->publish_crl("", clock.now());
  give(200, first, {{"Age", "42"}});
  expect(Gives::an_older_one, "still gives CRL number 1 of ");
  expect(Gives::an_older_one, "a cache in front of it may keep it for a while (Age: 42)");
  const auto root = x509::parse_certificate(anchor);
  const auto crl_with = [&](std::uint64_t number, const std::string& point) {
    const auto& algorithm = x509::signature_algorithm("ecdsa-sha256");
    const ca::CrlFields fields{number, clock.now(), clock.now() + 1h, {}, point};
    return to_text(ca::signed_crl(ca::crl_to_be_signed(fields, root, algorithm), root, key, algorithm, clock.now()));
  };
  give(200, crl_with(3, ""));
  expect(Gives::something_else, "gives CRL number 3, and number 2 is the last one");
  give(200, crl_with(2, ""));
  expect(Gives::something_else, "gives another CRL with the number 2");
  give(200, crl_with(1, url_of(1)));
  expect(Gives::something_else, "gives the CRL of " + url_of(1) + " (number 1), and not its own");
}

TEST_CASE_METHOD(WithUrl, "run looks at the URL after a publication, until it gives the CRL, and each hour") {
  auto rounds = schedule();
  rounds.round();
  rounds.round();
  CHECK(fetched.size() == 1);
  clock.advance(1h);
  rounds.round();
  CHECK(fetched.size() == 2);
  give(200, published());
  revoke("4000");
  rounds.round();
  CHECK(signatures == 2);
  CHECK(fetched.size() == 3);
  clock.advance(59s);
  rounds.round();
  CHECK(fetched.size() == 3);
  clock.advance(1s);
  rounds.round();
  CHECK(fetched.size() == 4);
  answers.clear();
  clock.advance(2min);
  rounds.round();
  CHECK(fetched.size() == 5);
  clock.advance(30min);
  rounds.round();
  CHECK(fetched.size() == 5);
}

TEST_CASE_METHOD(WithUrl,
                 "a URL is not looked at where nobody said so, and once a server does not answer the others wait") {
  CHECK(service::is_read_back(provider->crl_standing().crls.at(0)));
  settings.crl->read_back = CrlPlace::ReadBack::no;
  make();
  CHECK_FALSE(service::is_read_back(provider->crl_standing().crls.at(0)));
  shard();
  for (const char* name : {"0", "1", "2"}) provider->publish_crl(name, clock.now());
  answers.insert_or_assign(url_of(1), net::NotSent{"nobody is there"});
  const auto found = service::look_at_urls(provider->crl_standing().crls, x509::parse_certificate(anchor), fetch());
  REQUIRE(found.size() == 5);
  CHECK_FALSE(found[0]);
  CHECK(found[1]->gives == Gives::the_same);
  CHECK(found[2]->gives == Gives::nothing);
  CHECK(found[3]->sentence.find("was not asked") != std::string::npos);
  CHECK_FALSE(found[4]);  // none was published
  CHECK(fetched == std::vector<std::string>{url_of(0), url_of(1)});
}
