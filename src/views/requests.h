#pragma once

#include "base/json.h"
#include "service/requests/enrolment.h"
#include "service/requests/requests.h"

#include <vector>

// Requests as a program reads them.
namespace hsmbridge::views {

// A line of a list or of a batch.
Json request_row(const service::RequestRow& row);
// The elements of `requests` in hsmbridge.request-list/1, and what is behind them.
Json requests(const std::vector<service::RequestRow>& rows);
Json end_of_requests(const service::ListEnd& end);
// hsmbridge.request/1
Json request(const service::RequestView& view);
// hsmbridge.request-explanation/1
Json explanation(const service::RequestView& view);
// hsmbridge.request-event/1
Json event(const workflow::JournalEntry& entry);
// hsmbridge.request-history/1
Json history(const service::RequestHistory& history);
// hsmbridge.enroll-check/1
Json enrolment_check(const service::EnrolmentCheck& check);

}  // namespace hsmbridge::views
