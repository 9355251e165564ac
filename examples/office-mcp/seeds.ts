/** Rooms that can be booked for a day. */
export const rooms: { name: string; about: string }[] = [
  { name: 'Atrium', about: 'Atrium, 12 seats, ground floor' },
  { name: 'Birch', about: 'Birch, 4 seats, second floor' },
  { name: 'Cedar', about: 'Cedar, 6 seats with a screen, second floor' },
];

/** What the office holds at first. Days count back from the day of the first start. */
export const mails: { daysAgo: number; from: string; subject: string; body: string }[] = [
  {
    daysAgo: 1,
    from: 'Carla Weber <carla@northwind.example>',
    subject: 'Invoice 2031 for the standing desks',
    body: 'Hello,\n\nattached is invoice 2031 over 1,840.00 EUR for the four standing desks. It is due in 14 days.\n\nKind regards\nCarla',
  },
  {
    daysAgo: 2,
    from: 'Bob Okafor <bob@example.com>',
    subject: 'Lunch on Thursday?',
    body: 'Hi,\n\nare you free for lunch on Thursday at half past twelve? The new place by the river has a table.\n\nBob',
  },
  {
    daysAgo: 3,
    from: 'Alerts <alerts@cloud.example>',
    subject: 'Disk of build-02 is 91 percent full',
    body: 'The disk /var of build-02 has been over 90 percent for 30 minutes. Old build artifacts are the usual reason.',
  },
  {
    daysAgo: 4,
    from: 'Mei Lin <mei@example.com>',
    subject: 'Offsite: agenda and trains',
    body: 'Hi all,\n\nthe agenda of the offsite is in the shared folder. The train leaves at 8:04 from platform 7. Tell me by Friday if you want to come a day earlier.\n\nMei',
  },
  {
    daysAgo: 6,
    from: 'Carla Weber <carla@northwind.example>',
    subject: 'Reminder: invoice 1987 is overdue',
    body: 'Hello,\n\nour invoice 1987 over 260.50 EUR for desk lamps was due last week. Perhaps it was lost? I am glad to send it again.\n\nCarla',
  },
  {
    daysAgo: 9,
    from: 'Tomás Rivera <tomas@customer.example>',
    subject: 'Question about the export',
    body: 'Hello,\n\nthe CSV export cuts the column "Größe" after 255 characters. Is this on purpose? We need it for our report to the board.\n\nThanks\nTomás',
  },
];

export const reports: { daysAgo: number; text: string }[] = [
  {
    daysAgo: 0,
    text: 'Orders: 128 (+9 % against yesterday)\nRevenue: 14,310 EUR\nSupport: 11 new tickets, 14 closed, 6 open\nIncidents: none\nNote: the export fix for Tomás Rivera goes out tomorrow.',
  },
  {
    daysAgo: 1,
    text: 'Orders: 117\nRevenue: 12,905 EUR\nSupport: 16 new tickets, 12 closed, 9 open\nIncidents: checkout slow from 14:05 to 14:22 (database index rebuilt)\nNote: invoice 2031 arrived.',
  },
  {
    daysAgo: 2,
    text: 'Orders: 103\nRevenue: 11,480 EUR\nSupport: 9 new tickets, 10 closed, 5 open\nIncidents: none\nNote: two candidates were interviewed.',
  },
];
