#pragma once

#include "ca/lint.h"
#include "x509/objects/certificate.h"

#include <algorithm>
#include <span>
#include <string>
#include <vector>

// The rules of the linter that is built in (lint.h), as lint.cpp asks for them.
namespace hsmbridge::ca {

// What a rule looks at.
struct LintSubject {
  const x509::TbsCertificate& tbs;
  Instant now;
  const x509::Content& content = tbs.content;

  bool is_ca() const { return content.basic_constraints && content.basic_constraints->ca; }
  bool has_usage(x509::KeyUsage usage) const { return content.key_usage && content.key_usage->has(usage); }
  const x509::Extension* extension(const x509::Oid& oid) const {
    for (const x509::Extension& one : tbs.extensions) {
      if (one.oid == oid) return &one;
    }
    return nullptr;
  }
  bool critical(const x509::Oid& oid) const {
    const x509::Extension* const one = extension(oid);
    return one != nullptr && one->critical;
  }
  bool has_purpose(const x509::Oid& usage) const {
    const auto& all = content.extended_key_usage;
    return std::find(all.begin(), all.end(), usage) != all.end();
  }
};

// What is wrong by one rule, a sentence each.
using LintTexts = std::vector<std::string>;

struct LintRow {
  LintRule rule;
  enum class About { everything, tls, sub_ca, tls_and_sub_ca } about;
  void (*check)(const LintSubject&, LintTexts&);
};
std::span<const LintRow> rfc5280_rules();
std::span<const LintRow> cabf_rules();

}  // namespace hsmbridge::ca
