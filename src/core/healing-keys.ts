/** Keys of the configuration that say how it watches, tries again and heals. */
export const healingKeys = /^(behavior|policies|breakers|resource|restart)\.[a-z_.]+$/;
