#pragma once

#include "environment.h"

#include <catch2/catch.hpp>
#include <iostream>
#include <memory>

// CONTRACT_CASE(Place, ask, "sentence") { … place … }: one sentence about a service, as two tests, "rig: sentence" and
// "service: sentence". A Place has static functions `rig()` and `service(const Variables&)`, both giving a
// std::unique_ptr<Place>, and `needs()`.
#define CONTRACT_CASE(Place, ask, sentence) \
  CONTRACT_CASE_NAMED(Place, ask, sentence, INTERNAL_CATCH_UNIQUE_NAME(contract_case))
#define CONTRACT_CASE_NAMED(Place, ask, sentence, name)                                                           \
  static void name(Place& place);                                                                                 \
  TEST_CASE("rig: " sentence) {                                                                                   \
    const auto place = Place::rig();                                                                              \
    name(*place);                                                                                                 \
  }                                                                                                               \
  TEST_CASE("service: " sentence) {                                                                               \
    const auto variables = hsmbridge::contract::service_for(Place::needs(), hsmbridge::contract::ask, std::cout); \
    if (!variables) {                                                                                             \
      SUCCEED("skipped");                                                                                         \
      return;                                                                                                     \
    }                                                                                                             \
    const auto place = Place::service(*variables);                                                                \
    name(*place);                                                                                                 \
  }                                                                                                               \
  static void name(Place& place)
