/* calendar.h -- the proleptic Gregorian calendar: which days exist, and their number since 1970-01-01. Pure. */
#ifndef CAMPUS_CALENDAR_H
#define CAMPUS_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

struct calendar_day {
    int year, month, day;
};

/* Years 0001 to 9999, as PostgreSQL and RFC 3339 both write them. */
static inline bool calendar_exists(struct calendar_day d)
{
    static const int lengths[] = { 0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    if (d.year < 1 || d.year > 9999 || d.month < 1 || d.month > 12)
        return false;
    bool leap = d.year % 4 == 0 && (d.year % 100 != 0 || d.year % 400 == 0);
    return d.day >= 1 && d.day <= lengths[d.month] + (d.month == 2 && leap);
}

/* Both ways after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": a year counts from March, so that the
 * leap day is its last. Eras are 400 years of 146097 days; 719468 days lie between 0000-03-01 and 1970-01-01. */
static inline int64_t calendar_to_days(struct calendar_day d)
{
    int64_t year = d.year - (d.month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (d.month + (d.month > 2 ? -3 : 9)) + 2) / 5 + d.day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static inline struct calendar_day calendar_from_days(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    return (struct calendar_day){
        .year = (int)(year + era * 400 + (month >= 10)),
        .month = (int)(month < 10 ? month + 3 : month - 9),
        .day = (int)(of_year - (153 * month + 2) / 5 + 1),
    };
}

#endif
